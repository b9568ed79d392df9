"""Baselines: each does what its name says."""

import pytest
import torch

from eiwork import data
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.models import ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.models.baselines import (
    ConjugateGradientSENSE,
    FilteredBackProjection,
    MinimumNormInverse,
    TotalVariation,
    UnrolledNetwork,
)
from eiwork.physics import inpainting, magnitude, radial_coil_maps, radial_mri, real_to_complex, tomography


@pytest.fixture(scope="module")
def scan():
    physics = tomography(32, 12)
    x = data.load("ct", "test", 32)[50:51]
    return physics, x, physics.A(x)


@pytest.fixture(scope="module")
def undersampled():
    x = real_to_complex(data.load("mri", "test", 64)[40:41])
    physics = radial_mri(64, 25, n_coils=6, noise_sigma=1e-3, noise_seed=0)
    return physics, x, physics(x)


def error(x_hat, x):
    return float((x_hat - x).norm() / x.norm())


def test_linear_baselines_are_the_operators_own(scan):
    physics, _, y = scan
    assert torch.equal(MinimumNormInverse()(y, physics), physics.A_dagger(y))
    assert torch.equal(FilteredBackProjection()(y, physics), physics.fbp(y))
    with pytest.raises(InputError, match="use MinimumNormInverse"):
        FilteredBackProjection()(torch.zeros(1, 1, 8, 8), inpainting(8, keep=0.5))


def test_total_variation_minimises_its_objective_and_beats_the_minimum_norm_inverse(scan):
    physics, x, y = scan
    weight = 1e-4
    model = TotalVariation(weight)
    x_tv = model(y, physics)

    def objective(z):
        return float(0.5 * (physics.A(z) - y).square().sum() + weight * model.prior.fn(z))

    minimum = objective(x_tv)
    assert all(minimum < objective(x_tv + scale * torch.randn_like(x_tv)) for scale in 20 * (1e-3, 1e-2))
    assert minimum < min(objective(x), objective(physics.A_dagger(y)))
    assert error(x_tv, x) < error(physics.A_dagger(y), x)


def test_total_variation_of_two_halves_is_known():
    # Each half moves towards the other by weight * (length of the edge) / (area of the half).
    physics, n, weight = inpainting(8, keep=1.0), 8, 0.05
    y = torch.cat([torch.zeros(1, 1, n, n // 2), torch.ones(1, 1, n, n // 2)], dim=3)
    x = TotalVariation(weight, tol=1e-7, max_iter=5000)(y, physics)
    shift = weight * n / (n * n / 2)
    torch.testing.assert_close(x, y + shift * (1 - 2 * y), atol=1e-5, rtol=0)


def test_total_variation_warns_refuses_and_does_not_remember_the_last_call(scan):
    physics, _, y = scan
    model = TotalVariation(1e-4, tol=1e-3)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        TotalVariation(1e-4, max_iter=3, tol=1e-9)(y, physics)
    first = model(y, physics)
    scaled = TotalVariation(4e-4, tol=1e-3)(4 * y, physics)
    torch.testing.assert_close(scaled, 4 * first)  # whatever the unit
    model(2 * y, physics)
    assert torch.equal(model(y, physics), first)
    assert not model(0 * y, physics).any()


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


def test_sense_solves_its_normal_equations_beats_gridding_and_the_weight_shrinks(undersampled):
    physics, x, y = undersampled
    assert error(ConjugateGradientSENSE(1e-3)(y, physics), x) < 0.7 * error(physics.gridding(y), x)
    sense = ConjugateGradientSENSE(0.01)(y, physics)
    residual = physics.A_adjoint(physics.A(sense) - y) + 0.01 * sense
    assert residual.norm() < 1e-5 * physics.A_adjoint(y).norm()
    assert ConjugateGradientSENSE(0.1)(y, physics).norm() < sense.norm()
    with pytest.raises(InputError, match="weight=0"):
        ConjugateGradientSENSE(0)


def reconstruct(scan, method):
    size = scan.image_size
    maps = radial_coil_maps(scan.kspace, size, angles=scan.angles, positions=scan.positions)
    physics = radial_mri(size, len(scan.angles), angles=scan.angles, positions=scan.positions, coil_maps=maps)
    return magnitude(method(physics.from_kspace(scan.kspace), physics))


def decibels(x, reference):
    """PSNR after the best scaling."""
    scaled = x * ((x * reference).sum() / x.square().sum())
    return float(10 * torch.log10(reference.max() ** 2 / (scaled - reference).square().mean()))


def test_the_measured_brain_is_reconstructed():
    scan = data.radial_kspace(64)
    reference = reconstruct(scan, ConjugateGradientSENSE(1e-3))
    # Values are about 1 at the bright end, and dark in the corners.
    assert reference.quantile(0.99).item() == pytest.approx(1.0, abs=0.1)
    assert reference[..., :8, :8].mean() < 0.05
    assert decibels(reconstruct(scan, lambda y, physics: physics.gridding(y)), reference) > 35
    few = scan.spokes(slice(50))
    assert decibels(reconstruct(few, ConjugateGradientSENSE(3e-3)), reference) > 26.5
    assert decibels(reconstruct(few, lambda y, physics: physics.gridding(y)), reference) < 26


def test_the_spokes_of_the_measured_brain_are_centred():
    scan = data.radial_kspace(64)
    scan = scan.spokes(scan.echoes < 2)
    inner = slice(1, -1)
    maps = radial_coil_maps(scan.kspace, 64, angles=scan.angles, positions=scan.positions)
    unexplained = []
    for shift in (-0.1, 0.0, 0.1):
        physics = radial_mri(64, 50, angles=scan.angles, positions=scan.positions[inner] + shift, coil_maps=maps)
        y = physics.from_kspace(scan.kspace[:, :, inner])
        unexplained.append(error(physics.A(ConjugateGradientSENSE(1e-3)(y, physics)), y))
    assert unexplained[1] < 0.1
    assert unexplained[1] < 0.7 * min(unexplained[0], unexplained[2])
