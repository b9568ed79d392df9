"""At default settings and in float32, the EI gradient of the shipped MRI model is right to 1e-3."""

import copy

import torch

from eiwork import data
from eiwork.fixed_point import GMRES, Anderson, Implicit, record
from eiwork.models import DEQ
from eiwork.physics import real_to_complex
from eiwork.training import load_shipped

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
