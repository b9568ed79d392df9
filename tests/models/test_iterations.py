"""Iterations against the linear systems that their fixed points solve, and their implicit gradients against dense ones.

Also those of a shipped model at default settings; states, starts, settings.
"""

import copy
import math

import pytest
import torch
from deepinv.loss import EILoss, MCLoss
from iteration_problems import (
    CASES,
    ITERATIONS,
    SIZE,
    LinearDenoiser,
    channels_of,
    dense_call,
    dense_matrix,
    distance,
    measured,
    spectral_radius,
    tight,
)

from eiwork import data
from eiwork.analysis import compare_gradients, dense_ei_gradient
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit, Picard, record
from eiwork.models import (
    ADMM,
    DEQ,
    GradientDescent,
    GradientStep,
    HalfQuadraticSplitting,
    Iteration,
    ProximalGradient,
    ProximalStep,
    ResidualCNN,
    WhitenedStep,
)
from eiwork.physics import mri, real_to_complex, tomography
from eiwork.symmetry import Rotation
from eiwork.training import load_shipped


def linear_system(iteration, a, m):
    """(S, B) with S x = B y at the fixed point, written out for each iteration; A and D as matrices."""
    eye = torch.eye(a.shape[1], dtype=torch.float64)
    normal = a.T @ a
    if isinstance(iteration, GradientDescent):
        # A^T (A x - y) + w (x - M x) = 0, whatever the step size
        return normal + iteration.weight * (eye - m), a.T
    if isinstance(iteration, HalfQuadraticSplitting):
        # A^T (A x - y) + rho (x - M x) = 0
        return normal + iteration.penalty * (eye - m), a.T
    if isinstance(iteration, ADMM):
        # v = M (v - A^T (A v - y) / rho)
        return eye - m @ (eye - normal / iteration.penalty), m @ a.T / iteration.penalty
    step = iteration.data_step
    if isinstance(step, ProximalStep):
        # x = M (A^T A + rho I)^-1 (A^T y + rho x)
        inverse = torch.linalg.inv(normal + step.penalty * eye)
        return eye - step.penalty * m @ inverse, m @ inverse @ a.T
    # x = M (x - gamma P (A x - y)), with P = A^T, or A^T (A A^T + r I)^-1
    pull = a.T
    if isinstance(step, WhitenedStep):
        pull = a.T @ torch.linalg.inv(a @ a.T + step.regularisation * torch.eye(len(a), dtype=torch.float64))
    return eye - m @ (eye - step.step_size * pull @ a), step.step_size * m @ pull


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_fixed_point_is_the_solution_of_its_linear_system(kind, name):
    physics, y = measured(kind)
    denoiser = LinearDenoiser(channels_of(kind))
    model = tight(ITERATIONS[name](denoiser))
    a = dense_matrix(physics, channels_of(kind))
    with torch.no_grad():
        system, right = linear_system(model.iterate, a, denoiser.matrix)
    exact = torch.linalg.solve(system, right @ y.flatten(1).T).T
    solution = model.solve(y, physics)
    x = model.iterate.image(solution.value)
    assert bool(solution.converged.all())
    assert distance(x.flatten(1), exact) < 1e-10
    # The image at the fixed point is all that a warm start needs.
    with torch.no_grad():
        again = model.iterate.state_from(x, y, physics)
    assert model.iterate.image(again) is x
    assert distance(again, solution.value) < 1e-9
    assert model.solve(y, physics, z0=again, solver=Anderson(tol=1e-9)).n_evaluations == 1


@pytest.mark.parametrize("kind", ["ct", "mri", "inpainting"])
def test_which_iterations_share_their_fixed_point_and_admm_finds_it_where_proximal_gradient_fails(kind):
    physics, y = measured(kind)
    denoiser = LinearDenoiser(channels_of(kind))
    red, split, half = (
        tight(made).solve(y, physics).value
        for made in (
            GradientDescent(denoiser, 0.5, 0.7),
            HalfQuadraticSplitting(denoiser, 0.7),
            ProximalGradient(denoiser, ProximalStep(0.7)),
        )
    )
    assert distance(split, red) < 1e-9
    assert distance(half, denoiser(red)) < 1e-9, "the same, read after the denoiser"
    # Steps beyond 2 / ||A||^2, and a penalty that is their inverse.
    steep, plain = tight(ProximalGradient(denoiser, GradientStep(20.0))), Picard(max_iter=100)
    with pytest.warns(ConvergenceWarning, match="2 of 2 samples above tolerance.*may not be a contraction"):
        assert not steep.solve(y, physics, solver=plain).converged.any()
    found, _ = tight(ADMM(denoiser, 1 / 20.0)).solve(y, physics).value
    with torch.no_grad():
        assert distance(steep.iteration(found, y, physics), found) < 1e-9
    assert distance(found, red) > 1e-2


def test_one_application_is_the_formula():
    physics, y = measured("inpainting")
    denoiser = LinearDenoiser(1)
    x, u = torch.randn(2, 2, 1, 8, 8, dtype=torch.float64)
    misfit = physics.A_adjoint(physics.A(x) - y)
    red = GradientDescent(denoiser, 0.6, 0.4).double()
    torch.testing.assert_close(red(x, y, physics), x - 0.6 * (misfit + 0.4 * (x - denoiser(x))), rtol=1e-6, atol=1e-6)
    splitting = HalfQuadraticSplitting(denoiser, 0.2).double()
    expected = physics.prox_l2(denoiser(x), y, 5.0)
    torch.testing.assert_close(splitting(x, y, physics), expected, rtol=1e-6, atol=1e-6)
    v, dual = ADMM(denoiser, 0.2).double()((x, u), y, physics)
    proximal = physics.prox_l2(x - u, y, 5.0)
    torch.testing.assert_close(v, denoiser(proximal + u), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(dual, u + proximal - v, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("kind", ["ct", "mri", "inpainting"])
def test_admm_contracts_with_a_firmly_nonexpansive_denoiser_at_any_penalty(kind, penalty):
    physics, y = measured(kind)
    denoiser = LinearDenoiser(channels_of(kind))
    model = DEQ(ADMM(denoiser, penalty), Anderson(tol=1e-8, max_iter=500)).double()
    radius, jacobian = spectral_radius(model, y, physics)
    assert radius < 1 - 1e-3
    assert float(torch.linalg.matrix_norm(jacobian, 2).max()) < 1 + 1e-10


def test_penalty_and_weight_are_learnt_and_the_step_size_stays_positive_and_moves_no_fixed_point():
    step = GradientStep(0.5)
    optimiser = torch.optim.SGD(step.parameters(), lr=100.0)
    step.step_size.backward()
    optimiser.step()
    assert 0 < step.step_size.item() < 0.5
    physics, y = measured("inpainting")
    for iteration, names in (
        (HalfQuadraticSplitting(LinearDenoiser(1)), ["data_step.log_penalty"]),
        (ADMM(LinearDenoiser(1)), ["data_step.log_penalty"]),
        (GradientDescent(LinearDenoiser(1)), ["log_step", "log_weight"]),
    ):
        model = tight(iteration)
        parameters = dict(model.iterate.named_parameters())
        assert list(parameters) == names
        model(y, physics).square().sum().backward()
        gradients = {name: abs(float(p.grad)) for name, p in parameters.items()}
        assert all(g < 1e-9 if name == "log_step" else g > 1e-3 for name, g in gradients.items())
        if names == ["data_step.log_penalty"]:
            assert type(iteration)(LinearDenoiser(1), 0.3).penalty.item() == pytest.approx(0.3)


def test_all_follow_the_protocol_and_start_from_the_measurement():
    physics, y = measured("ct")
    for make in ITERATIONS.values():
        iteration = make(LinearDenoiser(1)).double()
        assert isinstance(iteration, Iteration)
        start = iteration.start(y, physics)
        assert iteration.image(start).shape == (2, 1, 8, 8)
        # The start knows the measurement: it explains it better than no image does.
        assert (physics.A(iteration.image(start)) - y).norm() < y.norm()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda d: HalfQuadraticSplitting(d, 0.0), "penalty"),
        (lambda d: ADMM(d, -1.0), "penalty"),
        (lambda d: ProximalGradient(d, ProximalStep(math.inf)), "penalty"),
        (lambda d: GradientDescent(d, step_size=0.0), "step_size"),
        (lambda d: GradientDescent(d, weight=math.nan), "weight"),
        (lambda d: ProximalGradient(d, GradientStep(0.0)), "must be positive"),
        (lambda d: ProximalGradient(d, WhitenedStep(1.0, 0.0)), "must be positive"),
        (lambda d: WhitenedStep().start(torch.zeros(1, 2, 8, 8), mri(8, acceleration=2)), "use GradientStep"),
    ],
)
def test_settings_out_of_range_are_refused_with_advice(make, match):
    with pytest.raises(InputError, match=match):
        make(ResidualCNN())


def test_whitening_reaches_the_measurement_in_far_fewer_steps():
    physics = tomography(16, 6).double()
    y = physics.A(torch.rand(1, 1, 16, 16, dtype=torch.float64))

    def residual_after(step, n):
        z = step.start(y, physics)
        for _ in range(n):
            z = step(z, y, physics)
        return float((physics.A(z) - y).norm() / y.norm())

    with torch.no_grad():
        steps = GradientStep(), WhitenedStep(), WhitenedStep(regularisation=1.0)
        plain, whitened, weaker = (residual_after(step.double(), 10) for step in steps)
    assert whitened < min(plain / 3, weaker)


ANGLES = ({"theta": torch.tensor([[17.0]])}, {"theta": torch.tensor([[130.0]])})
NAMES = ("proximal_gradient", "half_quadratic_splitting", "admm", "gradient_descent")
GRADIENTS = [
    *((kind, name) for kind in ("ct", "mri", "inpainting") for name in NAMES),
    ("ct", "whitened"),
    ("mri", "proximal_step"),
]


class FixedRotation(torch.nn.Module):
    """One known group element, so that both sides of a comparison use the same."""

    def __init__(self, angles):
        super().__init__()
        self.rotation, self.angles = Rotation(), angles

    def forward(self, x):
        return self.rotation.transform(x, **self.angles)


def problem(kind, name):
    physics, y = measured(kind, batch=1)
    denoiser = ResidualCNN(channels_of(kind), width=4, depth=3)
    with torch.no_grad():
        # Far enough from initialisation that J is not nearly diagonal.
        denoiser.network[-1].weight.mul_(60)
    return tight(ITERATIONS[name](denoiser)), physics, y


@pytest.mark.parametrize(("kind", "name"), GRADIENTS)
def test_gradients_of_one_two_and_three_calls_equal_the_dense_ones(kind, name):
    model, physics, y = problem(kind, name)
    y.requires_grad_()
    target = torch.rand(1, channels_of(kind), SIZE, SIZE, dtype=torch.float64)
    first, second = (FixedRotation(angles) for angles in ANGLES)
    inputs = [*model.parameters(), y]

    def losses(reconstruct):
        x1 = reconstruct(y)
        yield (x1 - target).square().mean()
        x2 = first(x1)
        x3 = reconstruct(physics.A(x2))
        yield (physics.A(x1) - y).square().mean() + (x3 - x2).square().mean()
        x4 = second(x3)
        x5 = reconstruct(physics.A(x4))
        yield (physics.A(x1) - y).square().mean() + (x3 - x2).square().mean() + (x5 - x4).square().mean()

    ours = losses(lambda y: model(y, physics))
    dense = losses(lambda y: dense_call(model, y, physics))
    for calls, (loss, exact) in enumerate(zip(ours, dense, strict=True), start=1):
        gradient = torch.autograd.grad(loss, inputs, retain_graph=True)
        reference = torch.autograd.grad(exact, inputs, retain_graph=True)
        assert compare_gradients(gradient, reference).relative_error < 1e-10, calls


@pytest.mark.parametrize("name", ["half_quadratic_splitting", "admm", "gradient_descent"])
def test_deepinvs_ei_loss_gets_the_dense_gradient(name):
    model, physics, y = problem("mri", name)
    reference = dense_ei_gradient(model, y, physics, Rotation(), ANGLES[0], mc_weight=3.0, ei_weight=2.0)
    x1 = model(y, physics)
    ei = EILoss(FixedRotation(ANGLES[0]), apply_noise=False)
    loss = 3.0 * MCLoss()(y=y, x_net=x1, physics=physics) + 2.0 * ei(x_net=x1, physics=physics, model=model)
    gradient = torch.autograd.grad(loss, list(model.parameters()))
    assert compare_gradients(gradient, reference).relative_error < 1e-10


# Two slices of the other head whose solves are among the longest.
SLICES = [20, 60]


def ei_gradient(iterate, physics, x, solver=None, gradient=None):
    model = DEQ(iterate, solver, gradient)
    y = physics.A(x)
    x1 = model(y, physics)
    turned = torch.rot90(x1, 1, (2, 3))
    x2 = model(physics.A(turned), physics)
    loss = (physics.A(x1) - y).square().mean() + (x2 - turned).square().mean()
    found = torch.autograd.grad(loss, list(iterate.parameters()))
    return torch.cat([part.flatten().double() for part in found])


def test_float32_at_default_settings_against_a_tight_float64_reference():
    shipped = load_shipped("mri-noise-free-ei-deq")
    physics = shipped.recipe.build_physics()
    x = real_to_complex(data.load("mri", "test", 64))[SLICES]
    with record() as reports:
        found = ei_gradient(shipped.model().iterate, physics, x)
    assert all(bool(report.converged.all()) for report in reports)
    assert {report.solver for report in reports} == {"Anderson", "GMRES"}
    reference = ei_gradient(
        shipped.model().double().iterate,
        copy.deepcopy(physics).double(),
        x.double(),
        Anderson(tol=1e-8, max_iter=600),
        Implicit(GMRES(tol=1e-7, max_iter=900, restart=300)),
    )
    assert float((found - reference).norm() / reference.norm()) < 1e-3
