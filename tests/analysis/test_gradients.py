"""The modular claim: implicit gradients of losses that call the DEQ once or twice equal the dense chain rule."""

import pytest
import torch
from deepinv.loss import EILoss, MCLoss

import eiwork
from eiwork.analysis import (
    compare_gradients,
    dense_adjoint,
    dense_ei_gradient,
    dense_jacobian,
    loss_gradient,
    saved_bytes,
)
from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit, JacobianFree, Picard, Unrolled
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.physics import inpainting, mri, tomography
from eiwork.symmetry import Rotation

SIZE = 8


ANGLES = {"theta": torch.tensor([[17.0, -56.0, 130.0]])}


class FixedRotation(torch.nn.Module):
    """One known group element, so that both sides of a comparison use the same."""

    def forward(self, x):
        return Rotation().transform(x, **ANGLES)


def problem(kind, gradient):
    physics = {
        "ct": lambda: tomography(SIZE, 5),
        "mri": lambda: mri(SIZE, acceleration=2, center_fraction=0.25),
        "inpainting": lambda: inpainting(SIZE, keep=0.5),
    }[kind]().double()
    channels = 2 if kind == "mri" else 1
    step = WhitenedStep() if kind == "ct" else GradientStep()
    model = DEQ(
        ProximalGradient(ResidualCNN(channels, width=8, depth=3), step), Anderson(tol=1e-13, max_iter=300), gradient
    ).double()
    with torch.no_grad():
        # Far enough from initialisation that J is not nearly diagonal.
        model.iterate.denoiser.network[-1].weight.mul_(60)
    x = torch.rand(3, channels, SIZE, SIZE, dtype=torch.float64)
    return model, physics, physics.A(x)


@pytest.mark.parametrize("kind", ["ct", "mri", "inpainting"])
def test_two_call_ei_gradient_equals_the_dense_chain_rule(kind):
    model, physics, y = problem(kind, Implicit(GMRES(tol=1e-13)))
    reference = dense_ei_gradient(model, y, physics, Rotation(), ANGLES, mc_weight=3.0, ei_weight=2.0)
    x1 = model(y, physics)
    ei = EILoss(FixedRotation(), apply_noise=False)
    loss = 3.0 * MCLoss()(y=y, x_net=x1, physics=physics) + 2.0 * ei(x_net=x1, physics=physics, model=model)
    gradient = torch.autograd.grad(loss, list(model.parameters()))
    assert compare_gradients(gradient, reference).relative_error < 1e-8


def test_one_call_gradient_equals_the_dense_solve_and_reaches_the_measurement_and_the_step_size():
    model, physics, y = problem("ct", Implicit(GMRES(tol=1e-13)))
    y = y.requires_grad_()
    target = torch.rand(3, 1, SIZE, SIZE, dtype=torch.float64)
    x = model.solve(y, physics).value
    v = dense_adjoint(lambda z: model.iteration(z, y, physics), x, 2 * (x - target))
    reference = torch.autograd.grad(model.iteration(x, y, physics), list(model.parameters()), v)
    weights = list(model.parameters())
    *gradient, to_y = torch.autograd.grad((model(y, physics) - target).square().sum(), (*weights, y))
    assert compare_gradients(gradient, reference).relative_error < 1e-8
    assert float(to_y.norm()) > 0
    assert float(dict(zip(map(id, weights), gradient, strict=True))[id(model.iterate.data_step.log_step)].abs()) > 0


def test_the_dense_reference_equals_finite_differences():
    model, physics, y = problem("inpainting", Implicit())
    reference = dense_ei_gradient(model, y, physics, Rotation(), ANGLES)
    parameters = list(model.parameters())
    direction = [torch.randn_like(p) for p in parameters]

    def loss(epsilon):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p.add_(epsilon * d)
            x1 = model.solve(y, physics).value
            x2 = Rotation().transform(x1, **ANGLES)
            x3 = model.solve(physics.A(x2), physics).value
            value = (physics.A(x1) - y).square().mean() + (x3 - x2).square().mean()
            for p, d in zip(parameters, direction, strict=True):
                p.sub_(epsilon * d)
        return value

    numeric = (loss(1e-5) - loss(-1e-5)) / 2e-5
    analytic = sum((g * d).sum() for g, d in zip(reference, direction, strict=True))
    torch.testing.assert_close(numeric, analytic, rtol=1e-6, atol=1e-12)


def test_jacobian_free_is_biased_under_the_ei_loss():
    model, physics, y = problem("ct", Implicit())
    reference = dense_ei_gradient(model, y, physics, Rotation(), ANGLES)

    def loss(f):
        x1 = f(y, physics)
        ei = EILoss(FixedRotation(), apply_noise=False)(x_net=x1, physics=physics, model=f)
        return MCLoss()(y=y, x_net=x1, physics=physics) + ei

    comparison = compare_gradients(loss_gradient(model, loss, JacobianFree()), reference)
    assert comparison.relative_error > 0.1
    assert comparison.cosine < 1
    assert comparison.norm_ratio != pytest.approx(1, abs=1e-3)
    exact = loss_gradient(model, loss, Implicit(GMRES(tol=1e-12)))
    assert compare_gradients(exact, reference).relative_error < 1e-8


def test_the_gradient_of_a_loss_repeats_its_random_draws_and_leaves_everything_as_it_was():
    model, physics, y = problem("inpainting", JacobianFree())
    model.iterate.data_step.requires_grad_(False)
    solver, state = model.solver, torch.get_rng_state()

    def loss(f):
        return (f(y, physics) - torch.rand_like(y)).square().mean()

    def error(*arguments, seed=0):
        exact = loss_gradient(model, loss, Implicit(GMRES(tol=1e-10)))
        return compare_gradients(loss_gradient(model, loss, *arguments, seed=seed), exact)

    first, again, other = (error(seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert error(Implicit()).relative_error < 1e-3 < first.relative_error
    assert error(Implicit(), Picard(tol=0.5)).relative_error > error(Implicit(), Picard(tol=1e-3)).relative_error
    assert model.solver is solver
    assert isinstance(model.gradient, JacobianFree)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())
    assert len(loss_gradient(model, loss)) == len(list(model.iterate.denoiser.parameters()))
    with pytest.raises(InputError, match="trainable"):
        loss_gradient(model.requires_grad_(False), loss)


def test_memory_of_a_training_step_does_not_grow_with_the_iterations():
    def bytes_for(solver, gradient):
        torch.manual_seed(0)
        model = DEQ(ProximalGradient(ResidualCNN(1, width=8, depth=3)), solver, gradient).double()
        physics = inpainting(16, keep=0.5).double()
        y = physics.A(torch.rand(2, 1, 16, 16, dtype=torch.float64))

        def step():
            x1 = model(y, physics)
            return EILoss(Rotation(), apply_noise=False)(x_net=x1, physics=physics, model=model)

        with eiwork.record() as reports:
            size = saved_bytes(step)
        return size, sum(report.n_evaluations for report in reports)

    # The null space contracts by 0.9 a step, so 1e-14 is not met in 200: the solver runs to max_iter, and says so.
    with pytest.warns(eiwork.ConvergenceWarning):
        short, n_short = bytes_for(Picard(tol=1e-14, max_iter=20), Implicit())
    with pytest.warns(eiwork.ConvergenceWarning):
        long, n_long = bytes_for(Picard(tol=1e-14, max_iter=200), Implicit())
    assert (n_short, n_long) == (40, 400)
    assert short == long
    unrolled, _ = bytes_for(Picard(), Unrolled(20))
    longer, _ = bytes_for(Picard(), Unrolled(200))
    assert longer > 8 * unrolled > 8 * short


def test_dense_jacobian_of_a_linear_map_is_its_matrix_and_what_cannot_be_compared_is_refused():
    matrix = torch.randn(9, 9, dtype=torch.float64)
    z = torch.randn(2, 1, 3, 3, dtype=torch.float64)
    jacobian = dense_jacobian(lambda z: (z.flatten(1) @ matrix.T).view_as(z), z)
    torch.testing.assert_close(jacobian, matrix.expand(2, 9, 9))
    for reference, told in ((torch.ones(3), "different parameters"), (torch.zeros(2), "zero")):
        with pytest.raises(InputError, match=told):
            compare_gradients([torch.ones(2)], [reference])
