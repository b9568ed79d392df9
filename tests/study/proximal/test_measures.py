"""What the survey measures beside `eiwork.analysis`: loops, paths, preimages, invariance of phi, rivals, a control."""

import math

import pytest
import torch
from fields import (
    SIZE,
    Linear,
    LogBarrier,
    N,
    convex_network,
    generator,
    gradient_network,
    images,
    network,
    symmetric,
)

from eiwork.analysis import Ellipse, Estimate, ImpliedPrior, PathPotential, circulation, dense_jacobian
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point import Anderson
from eiwork.symmetry import Rotation
from eiwork_study.proximal.measures import (
    Polygon,
    RotatedField,
    as_json,
    path_dependence,
    preimage,
    prior_invariance,
    random_circles,
    random_triangles,
)
from eiwork_study.proximal.minimiser import minimiser_gaps, perturbations

X = images(5)
ZERO = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.float64)
CORNERS = [X.roll(1, 0), torch.randn(1, 1, SIZE, SIZE, dtype=torch.float64, generator=generator())]
QUARTERS = {"theta": torch.tensor([[90.0, 180.0, 270.0, 90.0, 180.0]], dtype=torch.float64)}


def rotated(denoiser, strength, seed=0):
    return RotatedField(denoiser, strength, (1, SIZE, SIZE), generator(seed))


def recovered(denoiser, order=24):
    return ImpliedPrior(denoiser, PathPotential(denoiser, ZERO, order=order))


def test_json_gives_mean_and_every_image():
    found = as_json(Estimate(torch.tensor([1.0, 3.0]), torch.tensor([0.1, 0.2])))
    assert (found["mean"], found["per_image"]) == (2, [1.0, 3.0])
    assert found["standard_error"] == pytest.approx(1.0)
    assert as_json(Estimate(torch.tensor([1.0]), torch.tensor([0.25])))["standard_error"] == 0.25
    assert as_json(torch.ones(2))["per_image_standard_error"] == [0, 0]


def test_loops_are_what_they_say():
    circle = random_circles(X, 0.1, generator())
    for a, b, value in ((circle.u, circle.u, 0.1**2 * N), (circle.u, circle.v, 0.0)):
        torch.testing.assert_close((a * b).sum(dim=(1, 2, 3)), torch.full((5,), value, dtype=torch.float64))
    corners = random_triangles(X, 9, generator()).vertices
    assert corners.shape == (9, 3, 1, SIZE, SIZE)
    assert float(torch.stack([corners[:, i] - corners[:, i - 1] for i in range(3)]).flatten(2).norm(dim=2).min()) > 0


def test_the_circulation_of_a_linear_map_around_a_triangle():
    matrix = torch.randn(N, N, dtype=torch.float64, generator=generator(3)) / 16
    loops = random_triangles(X, 4, generator())
    p, q, r = loops.vertices.flatten(2).unbind(dim=1)
    u, v = q - p, r - p
    expected = (((u @ matrix.T) * v).sum(1) - ((v @ matrix.T) * u).sum(1)) / 2
    torch.testing.assert_close(circulation(Linear(matrix), loops, order=4).value, expected)
    assert float(circulation(gradient_network(), loops, order=48).learnt.abs().max()) < 1e-6


def test_path_dependence_of_a_rotation_is_its_circulation():
    field, corner = rotated(Linear(symmetric(0.2, 1.0)), 0.5), CORNERS[1]
    found = path_dependence(PathPotential(field, ZERO, order=2), X, [corner])
    # Straight and bent path differ by the work of the rotation around the triangle 0, corner, x: 0.5 <R corner, x>.
    gap = 0.5 * (field.rotation(corner) * X).flatten(1).sum(dim=1)
    torch.testing.assert_close(found.spread, gap.abs() / 2**0.5)
    torch.testing.assert_close(found.relative, found.spread / found.psi.abs())


def test_a_gradient_does_not_depend_on_the_path_and_the_quadrature_error_falls():
    psi = PathPotential(gradient_network(), ZERO, order=40)
    found = path_dependence(psi, X, CORNERS)
    assert float(found.relative.max()) < 1e-6
    torch.testing.assert_close(found.psi, psi(X), rtol=1e-6, atol=0)
    coarse, fine = (path_dependence(PathPotential(LogBarrier(), ZERO, order=n), X, CORNERS) for n in (4, 16))
    assert float(fine.quadrature_error.max()) < 0.01 * float(coarse.quadrature_error.min())


def test_preimages_are_found_or_said_to_be_missing():
    tight = Anderson(tol=1e-11, max_iter=500)
    solution = preimage(LogBarrier(), X + 0.5, solver=tight)
    assert bool(solution.converged.all())
    torch.testing.assert_close(LogBarrier()(solution.value), X + 0.5)
    again = preimage(LogBarrier(), X + 0.5, solution.value, tight)
    assert again.n_evaluations < solution.n_evaluations
    with pytest.warns(ConvergenceWarning):
        # The barrier's outputs are positive: no z has this image.
        preimage(LogBarrier(), -X - 0.5, solver=Anderson(max_iter=30))


def test_the_prior_of_single_pixels_is_invariant():
    barrier = LogBarrier()  # pixel by pixel: every permutation of pixels leaves its prior as it is

    def exact_psi(z):
        x = barrier(z)
        return (z * x - x.square() / 2).flatten(1).sum(dim=1) - barrier.phi(x)

    found = prior_invariance(ImpliedPrior(barrier, exact_psi), X, Rotation(), QUARTERS)
    assert float(found.relative.max()) < 1e-6
    assert float(found.residual.max()) < 1e-6


@pytest.mark.parametrize("make", [lambda: Linear(symmetric(0.4, 1.0)), convex_network], ids=["linear", "convex"])
def test_a_prior_with_preferred_directions_is_not(make):
    denoiser = make()
    psi = denoiser.psi if hasattr(denoiser, "psi") else lambda z: (z * denoiser(z)).flatten(1).sum(dim=1) / 2
    prior = ImpliedPrior(denoiser, psi)
    found = prior_invariance(prior, X, Rotation(), QUARTERS)
    assert float(found.relative.max()) > 0.01
    x = prior.at_output(X)
    turned = prior.at_output(preimage(denoiser, Rotation().transform(x.x, **QUARTERS)).value)
    torch.testing.assert_close(found.change, (turned.phi - x.phi).detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("make", [LogBarrier, convex_network], ids=["barrier", "convex potential"])
def test_a_proximal_map_beats_every_rival(make):
    rivals = [*perturbations(X, 150, (0.01, 0.1, 0.5), generator()), X.roll(1, 0), X.roll(2, 0)]
    found = minimiser_gaps(recovered(make()), X, rivals)
    assert found.gap.shape == (5, 152)
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
    [lambda: Linear(symmetric(-0.9, 1.0)), lambda: rotated(Linear(symmetric(0.01, 0.1)), 2.0)],
    ids=["not monotone", "rotated"],
)
def test_what_is_no_proximal_map_is_beaten(make):
    rivals = perturbations(X, 100, (0.1,), generator())
    assert float(minimiser_gaps(recovered(make(), order=2), X, rivals).beaten.min()) > 0.1
    assert float(minimiser_gaps(recovered(make(), order=2), X, rivals, slack=100.0).beaten.max()) == 0


def test_perturbations_have_their_sizes_and_smoothness():
    noisy = perturbations(X, 8, (0.1, 0.3), generator())
    assert [float((z - X).square().mean().sqrt()) for z in noisy] == pytest.approx([0.1, 0.1, 0.3, 0.3] * 2)
    rough = [float((z - X).diff(dim=-1).square().mean().sqrt()) for z in noisy]
    assert rough[1] < 0.6 * rough[0]


def test_the_rotation_is_antisymmetric_orthogonal_and_of_known_size():
    field = rotated(network(), 0.3)
    r = dense_jacobian(field.rotation, X[:2])[0]
    torch.testing.assert_close(r, -r.T)
    torch.testing.assert_close(r @ r.T, torch.eye(N, dtype=torch.float64))
    torch.testing.assert_close(field(X), network()(X) + 0.3 * field.rotation(X))
    u = torch.zeros_like(ZERO)
    u[0, 0, 3, 5] = 0.7
    loop = Ellipse(X[:1], u, field.rotation(u))
    work, plain = (circulation(D, loop, order=64).value for D in (field, network()))
    assert float(work - plain) == pytest.approx(2 * math.pi * 0.7**2 * 0.3, rel=1e-6)
    assert not torch.allclose(field(X), rotated(network(), 0.3, seed=1)(X))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Polygon(X[None, :2]), "2 corners"),
        (lambda: random_triangles(X[:2], 1, generator()), "three images"),
        (lambda: random_circles(X, 0.0, generator()), "radius"),
        (lambda: path_dependence(PathPotential(network(), ZERO), X, []), "corner"),
        (lambda: prior_invariance(recovered(network()), X[:1], Rotation(), QUARTERS), "two images"),
        (lambda: RotatedField(network(), 0.3, (1, 3, 3), generator()), "odd"),
        (lambda: perturbations(X, 3, (), generator()), "size"),
        (lambda: minimiser_gaps(recovered(gradient_network()), X, []), "rivals"),
    ],
)
def test_what_cannot_be_measured_is_named(call, told):
    with pytest.raises(InputError, match=told):
        call()
