"""The input-convex potential: convex, strongly so, invertible, trainable."""

import pytest
import torch

from eiwork.analysis import compare_gradients, dense_adjoint, dense_jacobian
from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.models import DEQ, InputConvexPotential, ProximalGradient
from eiwork.physics import inpainting

X = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def potential(readout=3.0, **options):
    torch.manual_seed(0)
    denoiser = InputConvexPotential(1, **({"width": 6, "depth": 3} | options)).double()
    with torch.no_grad():
        denoiser.readout.add_(readout)
    return denoiser


def test_it_is_the_gradient_of_psi_with_a_symmetric_jacobian_bounded_below():
    denoiser = potential(strong_convexity=0.2)
    with torch.no_grad():
        denoiser.quadratic.fill_(-30.0)  # nothing but the network above the strong convexity
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(denoiser.psi(x).sum(), x)
    torch.testing.assert_close(denoiser(X), gradient)
    j = dense_jacobian(denoiser, X)
    assert float((j - j.mT).abs().max()) < 1e-12
    values = torch.linalg.eigvalsh(j)
    assert float(values.min()) >= 0.2 - 1e-9
    assert float(values.max()) > 0.24


def test_psi_lies_below_its_chords_with_strong_convexity_to_spare():
    denoiser, other = potential(strong_convexity=0.3), 4 * torch.randn_like(X)
    for t in (0.2, 0.5, 0.9):
        chord = (1 - t) * denoiser.psi(X) + t * denoiser.psi(other)
        spare = 0.3 * t * (1 - t) / 2 * (X - other).square().sum(dim=(1, 2, 3))
        assert bool((denoiser.psi((1 - t) * X + t * other) <= chord - spare + 1e-9).all())


def test_convexity_survives_any_parameters():
    denoiser = potential()
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.copy_(torch.randn_like(parameter))
    assert float(torch.linalg.eigvalsh(dense_jacobian(denoiser, X)).min()) >= 0.05 - 1e-9


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 0.3])
def test_at_initialisation_it_is_close_to_a_shrinkage(shrinkage):
    out = potential(readout=0.0, shrinkage=shrinkage)(X)
    assert 0 < float((out - (1 - shrinkage) * X).detach().norm() / X.norm()) < 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"width": 5},
        {"depth": 2},
        {"unshuffle": 4},
        {"strong_convexity": 0.5},
        {"sharpness": 3.0},
        {"gain": 0.1},
    ],
    ids=str,
)
def test_every_option_changes_the_output(options):
    def outputs(extra):
        denoiser = potential(**extra)
        with torch.no_grad():
            denoiser.quadratic.fill_(0.0)
        return denoiser(X)

    assert not torch.allclose(outputs({}), outputs(options), rtol=1e-6)


def test_implicit_gradients_through_a_deq_are_exact():
    physics, denoiser = inpainting(8, keep=0.5).double(), potential(1.0)
    model = DEQ(ProximalGradient(denoiser).double(), Anderson(tol=1e-13, max_iter=300), Implicit(GMRES(tol=1e-13)))
    y, target = physics.A(X), torch.rand_like(X)
    x = model.solve(y, physics).value
    v = dense_adjoint(lambda z: model.iteration(z, y, physics), x, 2 * (x - target))
    reference = torch.autograd.grad(model.iteration(x, y, physics), list(model.parameters()), v)
    gradient = torch.autograd.grad((model(y, physics) - target).square().sum(), list(model.parameters()))
    assert compare_gradients(gradient, reference).relative_error < 1e-8


@pytest.mark.parametrize(
    "options",
    [
        {"width": 0},
        {"strong_convexity": 0.0},
        {"strong_convexity": 1.0},
        {"sharpness": 0.0},
        {"shrinkage": 1.0},
        {"gain": 0.0},
    ],
    ids=str,
)
def test_unusable_options_are_named(options):
    with pytest.raises(InputError, match=next(iter(options))):
        InputConvexPotential(**options)


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="multiples of 2"):
        potential()(X[:, :, :7])
    with pytest.raises(InputError, match=r"1 channel"):
        potential()(X.repeat(1, 2, 1, 1))
