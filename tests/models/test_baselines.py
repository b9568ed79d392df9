"""Baselines: each does what its name says."""

import pytest
import torch

from eiwork import data
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.models import ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.models.baselines import (
    Adjoint,
    FilteredBackProjection,
    MinimumNormInverse,
    TotalVariation,
    UnrolledNetwork,
    unet_on_inverse,
)
from eiwork.physics import inpainting, tomography


@pytest.fixture(scope="module")
def scan():
    physics = tomography(32, 12)
    x = data.load("ct", "test", 32)[50:51]
    return physics, x, physics.A(x)


def error(x_hat, x):
    return float((x_hat - x).norm() / x.norm())


def test_linear_baselines_are_the_operators_own(scan):
    physics, _, y = scan
    assert torch.equal(Adjoint()(y, physics), physics.A_adjoint(y))
    assert torch.equal(MinimumNormInverse()(y, physics), physics.A_dagger(y))
    assert torch.equal(FilteredBackProjection()(y, physics), physics.fbp(y))


def test_filtered_back_projection_needs_tomography():
    physics = inpainting(8, keep=0.5)
    with pytest.raises(InputError, match="use MinimumNormInverse"):
        FilteredBackProjection()(torch.zeros(1, 1, 8, 8), physics)


def test_total_variation_minimises_its_objective_and_beats_the_minimum_norm_inverse(scan):
    physics, x, y = scan
    weight = 1e-4
    model = TotalVariation(weight)
    x_tv = model(y, physics)

    def objective(z):
        return float(0.5 * (physics.A(z) - y).square().sum() + weight * model.prior.fn(z))

    minimum = objective(x_tv)
    generator = torch.Generator().manual_seed(0)
    for scale in (1e-3, 1e-2):
        for _ in range(20):
            other = x_tv + scale * torch.randn(x_tv.shape, generator=generator)
            assert minimum < objective(other)
    assert minimum < min(objective(x), objective(physics.A_dagger(y)))
    assert error(x_tv, x) < error(physics.A_dagger(y), x)


def test_total_variation_of_two_halves_is_known():
    # Each half moves towards the other by weight * (length of the edge) / (area of the half).
    physics, n, weight = inpainting(8, keep=1.0), 8, 0.05
    y = torch.cat([torch.zeros(1, 1, n, n // 2), torch.ones(1, 1, n, n // 2)], dim=3)
    x = TotalVariation(weight, tol=1e-7, max_iter=5000)(y, physics)
    shift = weight * n / (n * n / 2)
    torch.testing.assert_close(x, y + shift * (1 - 2 * y), atol=1e-5, rtol=0)


def test_total_variation_does_not_depend_on_the_unit(scan):
    physics, _, y = scan
    plain = TotalVariation(1e-4)(y, physics)
    torch.testing.assert_close(TotalVariation(4e-4)(4 * y, physics), 4 * plain)
    assert not TotalVariation(1e-4)(0 * y, physics).any()


def test_total_variation_warns_when_stopped_early_and_does_not_remember_the_last_call(scan):
    physics, _, y = scan
    model = TotalVariation(1e-4, tol=1e-3)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        TotalVariation(1e-4, max_iter=3, tol=1e-9)(y, physics)
    first = model(y, physics)
    model(2 * y, physics)
    assert torch.equal(model(y, physics), first)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_total_variation_refuses_measurements_that_are_not_finite(scan, bad):
    physics, _, y = scan
    broken = y.clone()
    broken[..., 3, 5] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        TotalVariation(1e-4)(broken, physics)


def test_an_unrolled_network_is_its_iteration_repeated(scan):
    physics, _, y = scan
    iteration = ProximalGradient(ResidualCNN(1, width=4, depth=2), WhitenedStep())
    z = iteration.start(y, physics)
    for _ in range(3):
        z = iteration(z, y, physics)
    assert torch.equal(UnrolledNetwork(iteration, 3)(y, physics), z)
    assert not torch.equal(UnrolledNetwork(iteration, 4)(y, physics), z)
    with pytest.raises(InputError, match="at least one step"):
        UnrolledNetwork(iteration, 0)


def test_the_unet_corrects_the_minimum_norm_inverse(scan):
    physics, _, y = scan
    model = unet_on_inverse(1, width=4, scales=2)
    assert model(y, physics).shape == (1, 1, 32, 32)
    with torch.no_grad():
        assert not torch.equal(model(y, physics), physics.A_dagger(y))
        torch.testing.assert_close(model(y, physics), model.backbone_net(physics.A_dagger(y), None))
