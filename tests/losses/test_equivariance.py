"""Equivariant imaging: its value on dense matrices, its gradient against dense solves, and what each option does."""

import jaxtyping
import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit, record
from eiwork.losses import EI, Adapted, Fit, Supervised
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.physics import mri, tomography
from eiwork.symmetry import Rotation

SIZE = 8
EYE = torch.eye(SIZE**2, dtype=torch.float64)


def rotation(seed=3, **options):
    return Rotation(rng=torch.Generator().manual_seed(seed), **options)


class Tikhonov(nn.Module):
    """A^T (A A^T + 0.1 I)^-1 y."""

    def forward(self, y, physics):
        return physics.A_adjoint(physics.whiten(y, 0.1))


def as_matrix(f):
    """The matrix of a linear map of images."""
    return f(EYE.view(-1, 1, SIZE, SIZE)).flatten(1).T


@pytest.mark.parametrize("whitening", [None, 0.1])
@pytest.mark.parametrize("cycle", [0.0, 3.0])
def test_the_value_is_that_of_dense_matrices(whitening, cycle):
    """||A M y - y||^2 + 5 (||M A T x - T x||^2 + c ||A T^-1 M A T x - y||^2), x = M y, in the norm of the fit."""
    physics = tomography(SIZE, 3).double()
    A = as_matrix(physics.A)
    gram, eye = A @ A.T, torch.eye(len(A), dtype=torch.float64)
    M = A.T @ torch.linalg.inv(gram + 0.1 * eye)
    # Plain residuals are averaged over the numbers measured, whitened ones over the pixels.
    W = eye / len(A) if whitening is None else torch.linalg.inv(gram + whitening * eye) / SIZE**2
    y = torch.randn(2, 1, physics.geometry.n_detectors, 3, dtype=torch.float64)
    angles = rotation(interpolation="fourier").get_params(physics.A_adjoint(y))["theta"]
    fit, ei, back = (torch.zeros(2, dtype=torch.float64) for _ in range(3))
    for b, v in enumerate(y.flatten(1)):
        theta = {"theta": angles[:, b : b + 1].expand(-1, SIZE**2)}
        T = as_matrix(lambda x, theta=theta: Rotation("fourier").transform(x, **theta))
        T_back = as_matrix(lambda x, theta=theta: Rotation("fourier").inverse(x, **theta))
        x = M @ v
        again = M @ A @ T @ x
        fit[b] = (A @ x - v) @ W @ (A @ x - v)
        ei[b] = (again - T @ x).square().mean()
        back[b] = (A @ T_back @ again - v) @ W @ (A @ T_back @ again - v)
    loss = EI(rotation(interpolation="fourier"), Fit(whitening), weight=5.0, cycle=cycle)
    terms = loss(Tikhonov(), y, physics, torch.full((2, 1, SIZE, SIZE), torch.nan))  # the truth does not matter
    torch.testing.assert_close(terms.fit, fit.mean())
    torch.testing.assert_close(terms.ei, 5 * ei.mean())
    assert terms.values.keys() == {"fit", "ei"} | ({"cycle"} if cycle else set())
    if cycle:
        torch.testing.assert_close(terms.cycle, 5 * cycle * back.mean())
    torch.testing.assert_close(terms.total, sum(terms.values.values()))


def test_noise_on_the_virtual_measurement_is_that_of_the_physics():
    physics, x = tomography(SIZE, 3, noise_sigma=0.1), torch.rand(2, 1, SIZE, SIZE)
    target, model, found = rotation()(x), Tikhonov(), {}
    for noisy, measure in ((False, physics.A), (True, physics)):
        torch.manual_seed(5)
        found[noisy] = EI(rotation(), noisy=noisy).judge(x, physics.A(x), physics, model)["ei"]
        torch.manual_seed(5)
        torch.testing.assert_close(found[noisy], (model(measure(target), physics) - target).square().mean())
    assert found[True] != found[False]


def problem(kind, tol=1e-13):
    """A DEQ, away from its initial weights so that J is not nearly diagonal, with its scans."""
    physics = tomography(SIZE, 5) if kind == "ct" else mri(SIZE, acceleration=2, center_fraction=0.25)
    channels, step = (1, WhitenedStep()) if kind == "ct" else (2, GradientStep())
    iteration = ProximalGradient(ResidualCNN(channels, width=4, depth=3), step)
    model = DEQ(iteration, Anderson(tol=tol, max_iter=300), Implicit(GMRES(tol=tol))).double()
    with torch.no_grad():
        model.iterate.denoiser.network[-1].weight.mul_(60)
    x = torch.rand(1, channels, SIZE, SIZE, dtype=torch.float64)
    return model, physics.double(), physics.double().A(x)


def dense_gradient(model, y, physics, angles, cycle, stopped):
    """Both solves as one fixed point Z = G(Z): v from (I - dG/dZ)^T v = dL/dZ by LU, and v^T dG/dtheta."""
    turn = Rotation()

    def target_of(x1):
        return turn.transform(x1.detach() if stopped else x1, **angles)

    def both(z):
        virtual = physics.A(target_of(z[0]))
        return torch.stack([model.iteration(z[0], y, physics), model.iteration(z[1], virtual, physics)])

    x1 = model.solve(y, physics).value
    x3 = model.solve(physics.A(target_of(x1)), physics).value
    z = torch.stack([x1, x3]).requires_grad_()
    back = physics.A(turn.inverse(z[1], **angles)) - y
    loss = (physics.A(z[0]) - y).square().mean() + 2 * (z[1] - target_of(z[0])).square().mean()
    (slope,) = torch.autograd.grad(loss + 2 * cycle * back.square().mean(), z)
    out = both(z)
    rows = [torch.autograd.grad(value, z, retain_graph=True)[0].flatten() for value in out.flatten()]
    eye = torch.eye(len(rows), dtype=torch.float64)
    v = torch.linalg.solve((eye - torch.stack(rows)).T, slope.flatten())
    return flat(torch.autograd.grad(out, list(model.parameters()), v.view_as(out)))


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.mark.parametrize(("kind", "cycle", "stopped"), [("ct", 0.0, False), ("ct", 3.0, True), ("mri", 3.0, False)])
def test_the_gradient_through_both_solves_is_that_of_dense_implicit_differentiation(kind, cycle, stopped):
    model, physics, y = problem(kind)
    angles = rotation().get_params(model(y, physics))
    reference = dense_gradient(model, y, physics, angles, cycle, stopped)
    terms = EI(rotation(), weight=2.0, cycle=cycle, stop_gradient=stopped)(model, y, physics)
    gradient = flat(torch.autograd.grad(terms.total, list(model.parameters())))
    assert float((gradient - reference).norm() / reference.norm()) < 1e-8


def test_the_second_solve_begins_at_the_transformed_image_and_ends_where_a_cold_one_does():
    model, physics, y = problem("mri", tol=1e-6)

    def cold(model, y, physics, x):
        first = model(y, physics)
        target = rotation()(first)
        return (physics.A(first) - y).square().mean() + (model(physics.A(target), physics) - target).square().mean()

    starts, found = [], []
    for loss in (EI(rotation()), Adapted(cold)):
        states = []
        hook = model.iterate.register_forward_pre_hook(lambda _, z, states=states: states.append(z[0].detach()))
        with record() as reports:
            terms = loss(model, y, physics)
        hook.remove()
        starts.append(states[reports[0].n_evaluations + 1 :])
        found.append((terms.total.detach(), flat(torch.autograd.grad(terms.total, list(model.parameters())))))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-3, atol=0)
    assert 0 < float((found[0][1] - found[1][1]).norm() / found[1][1].norm()) < 1e-3
    target = rotation()(model(y, physics)).detach()
    assert min(float((state - target).norm()) for state in starts[0]) < 1e-12
    assert min(float((state - target).norm() / target.norm()) for state in starts[1]) > 1e-4


def test_impossible_settings_are_told():
    jaxtyping.config.update("jaxtyping_disable", True)  # as it is outside the tests: until the next one
    for wrong, match in (
        ({"group": "rotation"}, "the group is a transform, such as eiwork.symmetry.Rotation"),
        ({"group": Rotation}, "the group is a transform"),
        ({"fit": Supervised()}, r"fitted by Fit\(\) or Sure\(sigma\)"),
        ({"weight": 0.0}, r"weight must be positive.*the loss is Fit\(\)"),
        ({"weight": float("nan")}, "weight must be positive"),
        ({"cycle": -1.0}, "the cycle >= 0"),
    ):
        with pytest.raises(InputError, match=match):
            EI(**({"group": Rotation()} | wrong))
