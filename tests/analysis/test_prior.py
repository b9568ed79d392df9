"""The implied prior, against priors in closed form; preimages; the direct test of the minimiser."""

import pytest
import torch
from fields import SIZE, Linear, LogBarrier, N, convex_network, generator, gradient_network, images, symmetric

from eiwork.analysis import ImpliedPrior, PathPotential, RotatedField
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point import Anderson
from eiwork_study.proximal.minimiser import minimiser_gaps, perturbations

X = images(4)
ZERO = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.float64)


def recovered(denoiser, order=24):
    return ImpliedPrior(denoiser, PathPotential(denoiser, ZERO, order=order), Anderson(tol=1e-11, max_iter=500))


def centred(phi):
    return phi - phi[0]


@pytest.mark.parametrize(
    ("low", "high", "shape"),
    [(0.3, 1.0, "convex"), (0.5, 1.8, "nonconvex")],
)
def test_the_quadratic_prior_of_a_symmetric_matrix_is_recovered(low, high, shape):
    matrix = symmetric(low, high)
    prior = recovered(Linear(matrix), order=2)
    curvature = torch.linalg.inv(matrix) - torch.eye(N, dtype=torch.float64)
    assert (float(torch.linalg.eigvalsh(curvature)[0]) > -1e-9) == (shape == "convex")

    def phi(x):
        return (x.flatten(1) @ curvature * x.flatten(1)).sum(dim=1) / 2

    at = prior.at_output(X)
    torch.testing.assert_close(at.phi, phi(at.x), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(at.gradient, Linear(curvature)(at.x))
    # At an image that nobody made as an output.
    anywhere = prior.at(X)
    torch.testing.assert_close(anywhere.x, X, rtol=0, atol=1e-8)
    torch.testing.assert_close(anywhere.phi, phi(X), rtol=1e-6, atol=1e-6)


def test_the_logarithmic_barrier_is_recovered():
    denoiser = LogBarrier()
    prior = recovered(denoiser)
    at = prior.at_output(X)
    torch.testing.assert_close(centred(at.phi), centred(denoiser.phi(at.x)), rtol=1e-6, atol=1e-6)
    shifted = X + 0.5
    torch.testing.assert_close(centred(prior.at(shifted).phi), centred(denoiser.phi(shifted)), rtol=1e-6, atol=1e-6)


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


def test_preimages_are_found_or_said_to_be_missing():
    prior = recovered(LogBarrier())
    solution = prior.preimage(X + 0.5)
    assert bool(solution.converged.all())
    torch.testing.assert_close(LogBarrier()(solution.value), X + 0.5)
    assert prior.preimage(X + 0.5, solution.value).n_evaluations < solution.n_evaluations
    with pytest.warns(ConvergenceWarning):
        # The barrier's outputs are positive: no z has this image.
        ImpliedPrior(LogBarrier(), prior.psi, Anderson(max_iter=30)).preimage(-X - 0.5)


@pytest.mark.parametrize("make", [LogBarrier, convex_network], ids=["barrier", "convex potential"])
def test_a_proximal_map_beats_every_rival(make):
    prior = recovered(make())
    rivals = [*perturbations(X, 150, (0.01, 0.1, 0.5), generator()), X.roll(1, 0), X.roll(2, 0)]
    found = minimiser_gaps(prior, X, rivals)
    assert found.gap.shape == (4, 152)
    assert float(found.beaten.max()) == 0
    assert float(found.relative.min()) > 0


def test_the_gap_is_the_difference_of_the_objective():
    prior, z, rival = recovered(LogBarrier()), X, X.roll(1, 0)
    at, other = prior.at_output(z), prior.at_output(rival)
    objective = [((p.x - z) ** 2).sum(dim=(1, 2, 3)) / 2 + p.phi for p in (at, other)]
    found = minimiser_gaps(prior, z, [rival])
    torch.testing.assert_close(found.gap[:, 0], objective[1] - objective[0])
    distance = (z - rival).square().sum(dim=(1, 2, 3)) / 2
    torch.testing.assert_close(found.relative[:, 0], found.gap[:, 0] / distance)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(symmetric(-0.9, 1.0)),
        lambda: RotatedField(Linear(symmetric(0.01, 0.1)), 2.0, (1, SIZE, SIZE), generator()),
    ],
    ids=["not monotone", "rotated"],
)
def test_what_is_no_proximal_map_is_beaten(make):
    found = minimiser_gaps(recovered(make(), order=2), X, perturbations(X, 100, (0.1,), generator()))
    assert float(found.beaten.min()) > 0.1
    lenient = minimiser_gaps(recovered(make(), order=2), X, perturbations(X, 100, (0.1,), generator()), slack=100.0)
    assert float(lenient.beaten.max()) == 0


def test_perturbations_have_their_sizes_and_smoothness():
    noisy = perturbations(X, 8, (0.1, 0.3), generator())
    rms = [float((z - X).square().mean().sqrt()) for z in noisy]
    assert rms == pytest.approx([0.1, 0.1, 0.3, 0.3] * 2)
    rough = [float((z - X).diff(dim=-1).square().mean().sqrt()) for z in noisy]
    assert rough[1] < 0.6 * rough[0]
    with pytest.raises(InputError, match="size"):
        perturbations(X, 3, (), generator())
    with pytest.raises(InputError, match="rivals"):
        minimiser_gaps(recovered(gradient_network()), X, [])
