"""Potentials recovered by path integration, and the prior that follows, against exact ones."""

import pytest
import torch
from fields import SIZE, Linear, LogBarrier, N, convex_network, gradient_network, images, symmetric

from eiwork.analysis import ImpliedPrior, PathPotential
from eiwork.errors import InputError

X = images(4)
ZERO = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.float64)


def recovered(denoiser, order=24):
    return ImpliedPrior(denoiser, PathPotential(denoiser, ZERO, order=order))


def centred(phi):
    return phi - phi[0]


@pytest.mark.parametrize("make", [gradient_network, convex_network])
def test_psi_is_recovered(make):
    denoiser = make()
    psi = PathPotential(denoiser, ZERO, order=40)
    torch.testing.assert_close(psi(X), denoiser.psi(X) - denoiser.psi(ZERO), rtol=1e-7, atol=1e-7)
    leaf = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(psi(leaf).sum(), leaf)
    torch.testing.assert_close(gradient, denoiser(X), rtol=1e-5, atol=1e-6)


def test_the_potential_of_a_matrix():
    matrix = symmetric(-0.5, 1.5)
    psi = PathPotential(Linear(matrix), ZERO, order=1)
    expected = (X.flatten(1) @ matrix * X.flatten(1)).sum(dim=1) / 2
    torch.testing.assert_close(psi(X), expected)
    base = PathPotential(Linear(matrix), X[:1], order=2)
    torch.testing.assert_close(base(X), expected - expected[0])
    with pytest.raises(InputError, match="one image"):
        PathPotential(Linear(matrix), X)
    # Its gradient keeps the symmetric part alone.
    matrix = symmetric(0.2, 1.0) + 0.3 * torch.triu(torch.ones(N, N, dtype=torch.float64), 1) / 16
    leaf = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(PathPotential(Linear(matrix), ZERO, order=2)(leaf).sum(), leaf)
    torch.testing.assert_close(gradient, Linear((matrix + matrix.T) / 2)(X))


@pytest.mark.parametrize(("low", "high", "shape"), [(0.3, 1.0, "convex"), (0.5, 1.8, "nonconvex")])
def test_the_quadratic_prior_of_a_symmetric_matrix_and_the_logarithmic_barrier_are_recovered(low, high, shape):
    matrix = symmetric(low, high)
    curvature = torch.linalg.inv(matrix) - torch.eye(N, dtype=torch.float64)
    assert (float(torch.linalg.eigvalsh(curvature)[0]) > -1e-9) == (shape == "convex")
    at = recovered(Linear(matrix), order=2).at_output(X)
    expected = (at.x.flatten(1) @ curvature * at.x.flatten(1)).sum(dim=1) / 2
    torch.testing.assert_close(at.phi, expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(X - at.x, Linear(curvature)(at.x))
    barrier = LogBarrier()
    at = recovered(barrier).at_output(X)
    torch.testing.assert_close(centred(at.phi), centred(barrier.phi(at.x)), rtol=1e-6, atol=1e-6)


def test_the_prior_of_a_convex_potential_is_its_conjugate():
    denoiser = convex_network()
    at, exact = recovered(denoiser).at_output(X), ImpliedPrior(denoiser, denoiser.psi).at_output(X)
    torch.testing.assert_close(centred(at.phi), centred(exact.phi), rtol=1e-3, atol=0)
    # psi*(x) = max over z of <z, x> - psi(z), maximised here without D: phi = psi* - ||x||^2 / 2.
    z = torch.zeros_like(at.x).requires_grad_()
    solver = torch.optim.LBFGS(
        [z], max_iter=500, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        solver.zero_grad()
        loss = (denoiser.psi(z) - (z * at.x.detach()).flatten(1).sum(dim=1)).sum()
        loss.backward()
        return loss

    solver.step(closure)
    conjugate = (z * at.x).flatten(1).sum(dim=1) - denoiser.psi(z)
    expected = (conjugate - at.x.flatten(1).square().sum(dim=1) / 2).detach()
    torch.testing.assert_close(exact.phi.detach(), expected, rtol=1e-8, atol=1e-8)
