"""Implicit gradients of every iteration against dense solves, and those of a shipped model at default settings."""

import copy

import pytest
import torch
from deepinv.loss import EILoss, MCLoss
from iteration_problems import ITERATIONS, SIZE, channels_of, dense_call, measured, tight

from eiwork import data
from eiwork.analysis import compare_gradients, dense_ei_gradient
from eiwork.fixed_point import GMRES, Anderson, Implicit, record
from eiwork.models import DEQ, ResidualCNN
from eiwork.physics import real_to_complex
from eiwork.symmetry import Rotation
from eiwork.training import load_shipped

ANGLES = ({"theta": torch.tensor([[17.0]])}, {"theta": torch.tensor([[130.0]])})
NAMES = ("proximal_gradient", "half_quadratic_splitting", "admm", "gradient_descent")
CASES = [
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


@pytest.mark.parametrize(("kind", "name"), CASES)
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


def test_deepinvs_ei_loss_gets_the_dense_gradient():
    model, physics, y = problem("mri", "admm")
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
