"""An 8x8 problem with a known answer: dense physics, a small network, and a chosen spectral radius."""

import dataclasses
from typing import cast

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.analysis import dense_adjoint, dense_ei_gradient, dense_jacobian
from eiwork.errors import InputError
from eiwork.fixed_point import Anderson
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN
from eiwork.symmetry import Rotation
from eiwork_study.benchmarks.problem import Problem

SIZE, N_MEASUREMENTS, BATCH = 8, 40, 3


class DensePhysics(LinearPhysics):
    """A random dense matrix (40, 64) of norm 1 on 8x8 images, in float64."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        matrix = torch.randn(N_MEASUREMENTS, SIZE**2, dtype=torch.float64, generator=generator)
        self.matrix: Tensor
        self.register_buffer("matrix", matrix / torch.linalg.matrix_norm(matrix, 2))

    def A(self, x: Tensor, **kwargs: object) -> Tensor:
        """(batch, 1, 8, 8) -> (batch, 40)."""
        return x.flatten(1) @ self.matrix.T

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Tensor:
        """(batch, 40) -> (batch, 1, 8, 8)."""
        return (y @ self.matrix).view(-1, 1, SIZE, SIZE)


class ScaledDenoiser(nn.Module):
    """scale * D(x): the scale sets the spectral radius."""

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        self.denoiser, self.scale = denoiser, 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Scale * D(x)."""
        image: Tensor = self.denoiser(x)
        return self.scale * image


def exact_model(problem: Problem) -> DEQ:
    """The DEQ of a problem with the tightest solve that float64 allows."""
    solver = Anderson(tol=1e-13, max_iter=5000, memory=20)
    return DEQ(ProximalGradient(problem.denoiser, GradientStep(problem.step_size)).double(), solver)


def spectral_radius(problem: Problem) -> float:
    """The largest |eigenvalue| of J at the fixed point, over the batch, from the dense Jacobian."""
    model = exact_model(problem)
    value = model.solve(problem.y, problem.physics).value
    assert isinstance(value, Tensor)

    jacobian = dense_jacobian(lambda z: model.iteration(z, problem.y, problem.physics), value)
    return float(torch.linalg.eigvals(jacobian).abs().max())


def small_problem(radius: float, seed: int = 0) -> Problem:
    """The problem whose J has this spectral radius (1 - radius within 1 %); raises InputError outside (0.5, 1)."""
    if not 0.5 < radius < 1:
        raise InputError(f"radius={radius}: choose a spectral radius between 0.5 and 1.")
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ResidualCNN(1, width=8, depth=3, shrinkage=0.0).double()
    with torch.no_grad():
        cast(nn.Conv2d, network.network[-1]).weight.mul_(
            60
        )  # far enough from initialisation that J is not nearly diagonal
    denoiser = ScaledDenoiser(network).double()
    physics = DensePhysics(generator)
    x = torch.rand(BATCH, 1, SIZE, SIZE, dtype=torch.float64, generator=generator)
    angles = 360 * torch.rand(BATCH, dtype=torch.float64, generator=generator) - 180
    problem = Problem(denoiser, 1.0, physics, physics.A(x), x, angles)
    low, high = 0.5 * radius, 1.0
    while high - low > 1e-9:
        denoiser.scale = (low + high) / 2
        found = spectral_radius(problem)
        if abs(found - radius) < 1e-2 * (1 - radius):
            break
        low, high = (denoiser.scale, high) if found < radius else (low, denoiser.scale)
    return problem


def dense_gradient(problem: Problem) -> list[Float[Tensor, "..."]]:
    """d loss / d weights of D from dense linear solves, independent of every adjoint solver."""
    model = exact_model(problem)
    theta = list(problem.denoiser.parameters())
    if problem.loss == "ei":
        angles = {"theta": problem.angles[None]}
        found = dense_ei_gradient(model, problem.y, problem.physics, Rotation(), angles)
        names = [name for name, _ in model.named_parameters()]
        gradient = [g for g, name in zip(found, names, strict=True) if "denoiser" in name]
        return [problem.loss_scale * g for g in gradient]
    value = model.solve(problem.y, problem.physics).value
    assert isinstance(value, Tensor)
    loss_gradient = problem.loss_scale * 2 * (value - problem.x) / value.numel()

    adjoint = dense_adjoint(lambda z: model.iteration(z, problem.y, problem.physics), value, loss_gradient)
    out = model.iteration(value, problem.y, problem.physics)
    assert isinstance(out, Tensor)
    assert isinstance(adjoint, Tensor)
    return list(torch.autograd.grad(out, theta, adjoint))


def scaled(problem: Problem, factor: float) -> Problem:
    """The same problem with its loss multiplied by a factor."""
    return dataclasses.replace(problem, loss_scale=factor * problem.loss_scale)
