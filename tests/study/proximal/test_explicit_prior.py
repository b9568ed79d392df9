"""The recovered prior as a regulariser: the exact minimiser, the plug-and-play fixed point, a falling objective."""

import pytest
import torch
from fields import SIZE, Linear, LogBarrier, N, convex_network, generator, gradient_network, images, symmetric

from eiwork.analysis import ImpliedPrior, PathPotential
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import Anderson
from eiwork.models import DEQ, GradientStep, ProximalGradient
from eiwork.physics import inpainting, tomography
from eiwork_study.proximal.explicit_prior import minimise_with_prior
from eiwork_study.proximal.measures import RotatedField

X = images(3)
ZERO = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.float64)
PHYSICS = inpainting(SIZE, keep=0.5).double()
Y = PHYSICS.A(X)


def falling(found):
    objective = torch.stack(found.objective)
    return bool((objective.diff(dim=0) <= 0).all())


def test_the_exact_minimiser_of_a_quadratic_prior_is_found():
    matrix = symmetric(0.3, 0.9)
    prior = ImpliedPrior(Linear(matrix), PathPotential(Linear(matrix), ZERO, order=1))
    found = minimise_with_prior(prior, Y, PHYSICS, weight=0.7, tol=1e-7, max_iter=2000)
    curvature = torch.linalg.inv(matrix) - torch.eye(N, dtype=torch.float64)
    system = torch.diag(PHYSICS.mask.flatten()) + 0.7 * curvature
    expected = torch.linalg.solve(system, Y.flatten(1).T).T.view_as(X)
    torch.testing.assert_close(found.x, expected, rtol=0, atol=1e-6)
    assert bool(found.converged.all())
    assert falling(found)


@pytest.mark.parametrize("make", [lambda: PHYSICS, lambda: tomography(SIZE, 4).double()], ids=["inpainting", "ct"])
def test_it_is_the_fixed_point_of_proximal_gradient_descent(make):
    denoiser, gamma, physics = convex_network(), 0.8, make()
    y = physics.A(X)
    prior = ImpliedPrior(denoiser, PathPotential(denoiser, ZERO, order=24))
    found = minimise_with_prior(prior, y, physics, weight=1 / gamma, tol=1e-7, max_iter=1000)
    deq = DEQ(ProximalGradient(denoiser, GradientStep(gamma)).double(), Anderson(tol=1e-12, max_iter=2000))
    torch.testing.assert_close(found.x, deq.solve(y, physics).value, rtol=0, atol=1e-5)
    assert falling(found)


@pytest.mark.parametrize(
    "make",
    [
        gradient_network,
        lambda: RotatedField(Linear(symmetric(0.3, 0.9)), 0.2, (1, SIZE, SIZE), generator()),
        lambda: Linear(symmetric(-0.4, 0.9)),
    ],
    ids=["gradient step", "rotated", "not monotone"],
)
def test_the_objective_falls_whatever_the_denoiser_is(make):
    denoiser = make()
    prior = ImpliedPrior(denoiser, PathPotential(denoiser, ZERO, order=2))
    with pytest.warns(ConvergenceWarning, match="after 15 steps"):
        found = minimise_with_prior(prior, Y, PHYSICS, tol=1e-12, max_iter=15)
    assert len(found.objective) == 16
    assert falling(found)
    assert bool((found.objective[-1] < found.objective[0]).all())
    torch.testing.assert_close(found.x, denoiser(found.z).detach())


def test_start_and_weight_count():
    denoiser = convex_network()
    prior = ImpliedPrior(denoiser, denoiser.psi)
    options = {"tol": 1e-6, "max_iter": 2000}
    found = minimise_with_prior(prior, Y, PHYSICS, weight=0.5, **options)
    again = minimise_with_prior(prior, Y, PHYSICS, weight=0.5, z0=found.z, **options)
    assert len(again.objective) == 1
    heavier = minimise_with_prior(prior, Y, PHYSICS, weight=2.0, **options)
    misfit = [float((PHYSICS.A(f.x) - Y).norm()) for f in (found, heavier)]
    assert misfit[0] < misfit[1]


@pytest.mark.parametrize("option", [{"weight": 0.0}, {"tol": 0.0}, {"max_iter": 0}], ids=str)
def test_unusable_settings_are_named(option):
    with pytest.raises(InputError, match=next(iter(option))):
        minimise_with_prior(ImpliedPrior(LogBarrier(), LogBarrier().phi), Y, PHYSICS, **option)


def test_a_prior_without_a_minimum_is_told():
    matrix = symmetric(-0.6, 0.9)
    prior = ImpliedPrior(Linear(matrix), PathPotential(Linear(matrix), ZERO, order=1))
    with pytest.raises(ConvergenceError, match="falls without bound"):
        minimise_with_prior(prior, Y, PHYSICS, weight=2.0, max_iter=500)
