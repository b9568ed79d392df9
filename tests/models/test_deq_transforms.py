"""A DEQ on real operators: its Jacobian, differentiated twice, and with respect to everything it depends on."""

import pytest
import torch
from deepinv.physics import LinearPhysics
from torch import func, nn

from eiwork import physics as operators
from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN

TIGHT = Anderson(tol=1e-13, max_iter=1000, memory=10)
EXACT = Implicit(GMRES(tol=1e-13, max_iter=500, restart=200))


def relative_error(value, reference):
    return float((value.detach() - reference.detach()).norm() / reference.detach().norm())


def build(kind):
    """Operator, model and measurement at 8x8 in float64, with weights large enough to matter."""
    physics = {
        "tomography": lambda: operators.tomography(8, 5),
        "mri": lambda: operators.mri(8, acceleration=2),
        "inpainting": lambda: operators.inpainting(8, keep=0.6),
    }[kind]()
    channels = 2 if kind == "mri" else 1
    denoiser = ResidualCNN(channels, width=6, depth=3)
    nn.init.normal_(denoiser.network[-1].weight, std=0.05)
    model = DEQ(ProximalGradient(denoiser, GradientStep(0.9)), TIGHT, EXACT).double()
    physics = physics.to(torch.float64)
    return physics, model, physics.A(torch.rand(2, channels, 8, 8, dtype=torch.float64))


KINDS = ["tomography", "mri", "inpainting"]


@pytest.fixture(params=KINDS)
def problem(request):
    return build(request.param)


def dense(model, y, physics):
    """Jacobian d x_hat / d y, from the dense I - J and dense dF/dy: (batch, n, m)."""
    z = model.solve(y, physics).value
    jacobians = []
    for sample in range(y.shape[0]):
        zs, ys = z[sample : sample + 1], y[sample : sample + 1]
        j = func.jacrev(lambda z, ys=ys: model.iteration(z, ys, physics))(zs).detach()
        by_y = func.jacrev(lambda y, zs=zs: model.iteration(zs, y, physics))(ys).detach()
        n = zs.numel()
        jacobians.append(torch.linalg.solve(torch.eye(n).double() - j.reshape(n, n), by_y.reshape(n, -1)))
    return torch.stack(jacobians)


def test_jacobians_over_the_measurement_equal_the_dense_answer(problem):
    physics, model, y = problem
    y = y[:1]
    found = torch.autograd.functional.jacobian(lambda y: model(y, physics), y)
    exact = dense(model, y, physics)[0]
    assert relative_error(found.reshape(exact.shape), exact) < 1e-10


@pytest.mark.parametrize("transform", [func.jacrev, func.jacfwd, func.vmap])
def test_a_reconstruction_inside_a_transform_is_one_clear_error(problem, transform):
    physics, model, y = problem
    with pytest.raises(InputError, match=r"inside a torch.func transform .* Use torch.autograd"):
        transform(lambda y: model(y, physics))(y[None] if transform is func.vmap else y)


def two_call_loss(model, y, physics):
    x1 = model(y, physics)
    turned = torch.rot90(x1, 1, (2, 3))
    x2 = model(physics.A(turned), physics)
    return (physics.A(x1) - y).square().sum() + (x2 - turned).square().sum()


def test_the_gradient_of_an_ei_loss_differentiates_again(problem):
    physics, model, y = problem
    weight = model.iterate.denoiser.network[0].weight
    direction = torch.randn_like(weight)
    (gradient,) = torch.autograd.grad(two_call_loss(model, y, physics), weight, create_graph=True)
    (product,) = torch.autograd.grad((gradient * direction).sum(), weight)
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.add_(sign * 1e-5 * direction)
        ends.append(torch.autograd.grad(two_call_loss(model, y, physics), weight)[0])
        with torch.no_grad():
            weight.sub_(sign * 1e-5 * direction)
    assert relative_error(product, (ends[0] - ends[1]) / 2e-5) < 1e-5


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
    inner, model, y = build("tomography")
    physics = ScaledBlur(inner, 0.9)
    y = y.clone().requires_grad_()
    inputs = (model.iterate.data_step.log_step, physics.gain, y)
    found = torch.autograd.grad(two_call_loss(model, y, physics), inputs)
    for tensor, gradient in zip(inputs, found, strict=True):
        direction = torch.randn_like(tensor)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                tensor.add_(sign * 1e-6 * direction)
                ends.append(float(two_call_loss(model, y, physics)))
                tensor.sub_(sign * 1e-6 * direction)
        numeric = (ends[0] - ends[1]) / 2e-6
        assert abs(float((gradient * direction).sum()) - numeric) < 1e-5 * abs(numeric)


def test_calls_with_different_physics_in_one_graph():
    first, model, y = build("tomography")
    second = operators.tomography(8, 3)
    y2 = second.A(torch.rand(2, 1, 8, 8, dtype=torch.float64))
    parameters = list(model.parameters())
    together = torch.autograd.grad(model(y, first).sum() + model(y2, second).sum(), parameters)
    apart = [torch.autograd.grad(model(m, p).sum(), parameters) for m, p in ((y, first), (y2, second))]
    for both, a, b in zip(together, *apart, strict=True):
        torch.testing.assert_close(both, a + b, rtol=1e-9, atol=1e-12)
