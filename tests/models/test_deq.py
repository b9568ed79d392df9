"""The DEQ against closed-form fixed points; what it does with bad input."""

import pytest
import torch
from deepinv.loss.metric import PSNR
from torch import nn

import eiwork
from eiwork.errors import InputError
from eiwork.fixed_point import Anderson, Picard
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.physics import inpainting, mri, tomography


class Shrink(nn.Module):
    """D(x) = c x: the fixed point of the iteration is then the solution of a linear system."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def dense_matrix(physics, size):
    basis = torch.eye(size * size, dtype=torch.float64).view(-1, 1, size, size)
    return physics.A(basis).flatten(1).T


@pytest.mark.parametrize("step", [GradientStep(0.8), WhitenedStep(0.8, 0.05)], ids=repr)
def test_with_a_linear_denoiser_the_fixed_point_is_the_solution_of_a_linear_system(step):
    physics = tomography(8, 4).double()
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    y = physics.A(x)
    model = DEQ(ProximalGradient(Shrink(0.9), step), Anderson(tol=1e-12, max_iter=500)).double()
    a = dense_matrix(physics, 8)
    pull = a.T
    if isinstance(step, WhitenedStep):
        pull = a.T @ torch.linalg.inv(a @ a.T + 0.05 * torch.eye(len(a), dtype=torch.float64))
    eye = torch.eye(64, dtype=torch.float64)
    # x = 0.9 (x - 0.8 pull (A x - y))
    exact = torch.linalg.solve(eye - 0.9 * (eye - 0.8 * pull @ a), 0.9 * 0.8 * pull @ y.flatten(1).T).T
    with torch.no_grad():
        torch.testing.assert_close(model(y, physics).flatten(1), exact, rtol=1e-8, atol=1e-9)


def test_one_iteration_is_the_denoised_data_step():
    physics = inpainting(8, keep=0.5)
    y = physics.A(torch.rand(2, 1, 8, 8))
    model = DEQ(ProximalGradient(Shrink(0.5), GradientStep(0.7)))
    z = torch.rand(2, 1, 8, 8)
    expected = 0.5 * (z - 0.7 * physics.A_adjoint(physics.A(z) - y))
    torch.testing.assert_close(model.iteration(z, y, physics), expected)


def test_solve_reports_and_agrees_with_the_forward_pass():
    physics = mri(16, acceleration=2)
    model = DEQ(ProximalGradient(ResidualCNN(2, width=4, depth=2)), Anderson(tol=1e-5))
    y = physics.A(torch.rand(3, 2, 16, 16))
    solution = model.solve(y, physics)
    assert bool(solution.converged.all())
    with torch.no_grad():
        torch.testing.assert_close(model(y, physics), solution.value)


def test_the_fixed_point_does_not_depend_on_the_start_but_the_cost_does():
    physics = mri(16, acceleration=2)
    model = DEQ(ProximalGradient(ResidualCNN(2, width=4, depth=2)), Anderson(tol=1e-6))
    y = physics.A(torch.rand(2, 2, 16, 16))
    cold = model.solve(y, physics)
    warm = model.solve(y, physics, z0=cold.value)
    far = model.solve(y, physics, z0=torch.randn(2, 2, 16, 16), solver=Picard(tol=1e-6, max_iter=500))
    assert warm.n_evaluations == 1
    torch.testing.assert_close(far.value, cold.value, rtol=1e-3, atol=1e-4)


def test_deepinv_metrics_accept_the_model_output():
    physics = tomography(16, 10)
    x = torch.rand(2, 1, 16, 16)
    model = DEQ(ProximalGradient(ResidualCNN(1, width=4, depth=2), WhitenedStep()))
    with torch.no_grad():
        assert PSNR()(model(physics(x), physics), x).shape == (2,)


def test_bad_input_is_one_clear_error():
    physics = inpainting(8, keep=0.5)
    model = DEQ(ProximalGradient(ResidualCNN(1, width=4, depth=2)))
    y = physics.A(torch.rand(2, 1, 8, 8))
    broken = y.clone()
    broken[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="y holds NaN"):
        model(broken, physics)
    with pytest.raises(InputError, match="z0 has shapes"):
        model(y, physics, z0=torch.zeros(3, 1, 8, 8))
    with pytest.raises(InputError, match="Wrap a denoiser"):
        DEQ(ResidualCNN())
    with pytest.raises(InputError, match="2 channels"):
        model(mri(8, acceleration=2).A(torch.rand(1, 2, 8, 8)), mri(8, acceleration=2))


def test_a_diverging_operator_warns():
    physics = inpainting(8, keep=0.5)
    model = DEQ(ProximalGradient(Shrink(3.0)), Picard())
    with pytest.warns(eiwork.ConvergenceWarning, match="forward solve by Picard"):
        model.solve(physics.A(torch.rand(1, 1, 8, 8)), physics, z0=torch.ones(1, 1, 8, 8))
