"""The DEQ: closed-form fixed points, gradients of losses with several calls, samples apart, and bad input."""

import pytest
import torch
from deepinv.physics import Inpainting, LinearPhysics
from iteration_problems import PHYSICS, SIZE, channels_of, tight
from torch import nn

from eiwork.errors import InputError
from eiwork.fixed_point import Anderson, Implicit, JacobianFree, Picard, record
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN
from eiwork.models.deq import BatchMap
from eiwork.physics import inpainting, mri, tomography


def small(tol=1e-5, channels=2):
    return DEQ(ProximalGradient(ResidualCNN(channels, width=4, depth=2)), Anderson(tol=tol))


def test_the_forward_pass_is_the_solution_from_any_start_but_the_cost_differs():
    physics, model = mri(16, acceleration=2), small(1e-6)
    y = physics.A(torch.rand(2, 2, 16, 16))
    cold = model.solve(y, physics)
    assert bool(cold.converged.all())
    far = model.solve(y, physics, z0=torch.randn(2, 2, 16, 16), solver=Picard(tol=1e-6, max_iter=500))
    torch.testing.assert_close(far.value, cold.value, rtol=1e-3, atol=1e-4)
    with torch.no_grad(), record() as reports:
        torch.testing.assert_close(model(y, physics), cold.value)
        model(y, physics, z0=cold.value)
    assert [report.n_evaluations for report in reports] == [cold.n_evaluations, 1]


def test_a_call_may_choose_its_own_solver_and_gradient():
    physics, model = mri(16, acceleration=2), small()
    y = physics.A(torch.rand(2, 2, 16, 16))
    with record() as reports:
        model(y, physics).sum().backward()
        model(y, physics, Picard(tol=1e-2, max_iter=200), JacobianFree()).sum().backward()
    assert [report.solver for report in reports] == ["Anderson", "GMRES", "Picard"]
    assert [report.kind for report in reports] == ["forward", "adjoint", "forward"]
    assert reports[2].tol == 1e-2
    assert isinstance(model.solver, Anderson)
    assert isinstance(model.gradient, Implicit)


def test_bad_input_is_one_clear_error():
    physics, model = inpainting(8, keep=0.5), small(channels=1)
    y, other = physics.A(torch.rand(2, 1, 8, 8)), mri(8, acceleration=2)
    for call, match in (
        (lambda: model(y, physics, z0=torch.zeros(3, 1, 8, 8)), "z0 has shapes"),
        (lambda: DEQ(ResidualCNN()), "Wrap a denoiser"),
        (lambda: model(other.A(torch.rand(1, 2, 8, 8)), other), "2 channels"),
    ):
        with pytest.raises(InputError, match=match):
            call()


def test_samples_are_taken_apart_unless_each_has_an_operator_of_its_own():
    """Regression: 4 angles and a batch of 4 kept converged samples in the batch."""
    iteration, x, some = ProximalGradient(ResidualCNN(width=4, depth=2)), torch.rand(4, 1, 16, 16), torch.tensor([0, 2])
    physics = tomography(16, n_views=4)
    whole = BatchMap(iteration, physics.A(x), physics)
    part = whole.select(some)
    assert part is not None
    torch.testing.assert_close(part(x[some]), whole(x)[some])
    masked = Inpainting((1, 16, 16), mask=(torch.rand(4, 1, 16, 16) > 0.5).float())
    assert BatchMap(iteration, masked.A(x), masked).select(some) is None


def problem(kind):
    """Operator, tight model and measurement in float64, with weights large enough to matter."""
    physics, channels = PHYSICS[kind](), channels_of(kind)
    denoiser = ResidualCNN(channels, width=6, depth=3)
    nn.init.normal_(denoiser.network[-1].weight, std=0.05)
    y = physics.A(torch.rand(2, channels, SIZE, SIZE, dtype=torch.float64))
    return physics, tight(ProximalGradient(denoiser, GradientStep(0.9))), y


@pytest.mark.parametrize("transform", [torch.func.jacrev, torch.func.jacfwd, torch.func.vmap])
def test_a_reconstruction_inside_a_transform_is_one_clear_error(transform):
    physics, model = tomography(SIZE, 3), small(channels=1)
    y = physics.A(torch.rand(1, 1, SIZE, SIZE))
    with pytest.raises(InputError, match=r"inside a torch.func transform .* Use torch.autograd"):
        transform(lambda y: model(y, physics))(y[None] if transform is torch.func.vmap else y)


def two_call_loss(model, y, physics):
    x1 = model(y, physics)
    turned = torch.rot90(x1, 1, (2, 3))
    x2 = model(physics.A(turned), physics)
    return (physics.A(x1) - y).square().sum() + (x2 - turned).square().sum()


def central_difference(f, tensor, direction, h):
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            tensor.add_(sign * h * direction)
        ends.append(f())
        with torch.no_grad():
            tensor.sub_(sign * h * direction)
    return (ends[0] - ends[1]) / (2 * h)


@pytest.mark.parametrize("kind", ["ct", "mri", "inpainting"])
def test_the_gradient_of_an_ei_loss_differentiates_again(kind):
    physics, model, y = problem(kind)
    weight = model.iterate.denoiser.network[0].weight
    direction = torch.randn_like(weight)
    (gradient,) = torch.autograd.grad(two_call_loss(model, y, physics), weight, create_graph=True)
    (product,) = torch.autograd.grad((gradient * direction).sum(), weight)

    def first_order():
        return torch.autograd.grad(two_call_loss(model, y, physics), weight)[0]

    numeric = central_difference(first_order, weight, direction, 1e-5)
    assert float((product - numeric).norm() / numeric.norm()) < 1e-5


class ScaledBlur(LinearPhysics):
    """gain * A of another operator: a physics with a parameter to learn."""

    def __init__(self, inner, gain):
        super().__init__(img_size=inner.img_size)
        self.inner, self.gain = inner, nn.Parameter(torch.tensor(gain, dtype=torch.float64))

    def A(self, x, **kwargs):
        return self.gain * self.inner.A(x)

    def A_adjoint(self, y, **kwargs):
        return self.gain * self.inner.A_adjoint(y)


def test_gradients_reach_step_size_physics_and_measurement():
    inner, model, y = problem("ct")
    physics, y = ScaledBlur(inner, 0.9), y.clone().requires_grad_()
    inputs = (model.iterate.data_step.log_step, physics.gain, y)
    found = torch.autograd.grad(two_call_loss(model, y, physics), inputs)
    for tensor, gradient in zip(inputs, found, strict=True):
        direction = torch.randn_like(tensor)
        numeric = central_difference(lambda: float(two_call_loss(model, y, physics).detach()), tensor, direction, 1e-6)
        assert abs(float((gradient * direction).sum()) - numeric) < 1e-5 * abs(numeric)


def test_calls_with_different_physics_in_one_graph():
    first, model, y = problem("ct")
    second = tomography(SIZE, 3).double()
    y2 = second.A(torch.rand(2, 1, SIZE, SIZE, dtype=torch.float64))
    parameters = list(model.parameters())
    together = torch.autograd.grad(model(y, first).sum() + model(y2, second).sum(), parameters)
    apart = [torch.autograd.grad(model(m, p).sum(), parameters) for m, p in ((y, first), (y2, second))]
    for both, a, b in zip(together, *apart, strict=True):
        torch.testing.assert_close(both, a + b, rtol=1e-9, atol=1e-12)
