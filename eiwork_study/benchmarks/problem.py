"""An 8x8 problem with a known answer: dense physics, a small network, a chosen spectral radius, counted evaluations."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from deepinv.loss import EILoss, MCLoss
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.analysis import dense_adjoint, dense_ei_gradient, dense_jacobian
from eiwork.errors import InputError
from eiwork.fixed_point import Anderson
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN
from eiwork.symmetry import Rotation

SIZE, N_MEASUREMENTS, BATCH = 8, 40, 3
Image = Float[Tensor, "batch 1 8 8"]
LossName = Literal["supervised", "ei"]


@dataclass
class Evaluations:
    """Evaluations of F (first ones and tracked ones included) and backward passes through F, of any library."""

    forward: int = 0
    backward: int = 0


class CountedDenoiser(nn.Module):
    """D as it is, with a count; takes and ignores the noise level that deepinv's priors pass on."""

    def __init__(self, denoiser: nn.Module, evaluations: Evaluations) -> None:
        super().__init__()
        self.denoiser, self.evaluations = denoiser, evaluations

    def forward(self, x: Tensor, sigma: object = None) -> Tensor:
        """D(x)."""
        self.evaluations.forward += 1
        return _CountBackward.apply(self.denoiser(x), self.evaluations)


class _CountBackward(torch.autograd.Function):
    """The identity; counts the backward passes through it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, evaluations: Evaluations) -> Tensor:
        ctx.evaluations = evaluations
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.evaluations.backward += 1
        return gradient, None


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


class FixedRotation(Transform):
    """Rotation of each image by its own known angle in degrees, so that every library sees the same group element."""

    def __init__(self, angles: Float[Tensor, " batch"]) -> None:
        super().__init__()
        self.rotation, self.angles = Rotation(), angles

    def forward(self, x: Tensor, **params: object) -> Tensor:
        """Rotate the images."""
        return self.rotation.transform(x, theta=self.angles[None].to(x.dtype))


@dataclass(frozen=True)
class Problem:
    """One gradient to compute: d loss / d weights of D at the fixed point x = D(x - A^T (A x - y)).

    loss: "supervised" ||f(y) - x||^2, or "ei" ||A f(y) - y||^2 + ||f(A T f(y)) - T f(y)||^2, which calls the model
    twice, T by `angles` in degrees; both are means, times `loss_scale`.
    """

    denoiser: ScaledDenoiser
    physics: LinearPhysics
    y: Tensor
    x: Image
    angles: Float[Tensor, " batch"]
    loss: LossName = "supervised"
    loss_scale: float = 1.0
    evaluations: Evaluations = field(default_factory=Evaluations)

    def changed(self, **fields: Any) -> "Problem":
        """The same problem with another loss or scale."""
        return replace(self, **fields)

    @property
    def counted_denoiser(self) -> CountedDenoiser:
        """D, which reports every evaluation and every backward pass to `evaluations`."""
        return CountedDenoiser(self.denoiser, self.evaluations)

    def value(self, model: nn.Module) -> Float[Tensor, ""]:
        """The loss of a reconstruction model in deepinv's convention model(y, physics)."""
        x_net = model(self.y, self.physics)
        if self.loss == "supervised":
            return self.loss_scale * (x_net - self.x).square().mean()
        ei = EILoss(FixedRotation(self.angles), apply_noise=False)(x_net=x_net, physics=self.physics, model=model)
        return self.loss_scale * (MCLoss()(y=self.y, x_net=x_net, physics=self.physics) + ei)

    def gradient(self, model: nn.Module) -> list[Tensor]:
        """d loss / d weights of D, one tensor per parameter; `evaluations` counts what it took."""
        self.evaluations.forward = self.evaluations.backward = 0
        return list(torch.autograd.grad(self.value(model), list(self.denoiser.parameters())))

    def exact_model(self) -> DEQ:
        """Its DEQ with the tightest solve that float64 allows."""
        solver = Anderson(tol=1e-13, max_iter=5000, memory=20)
        return DEQ(ProximalGradient(self.denoiser, GradientStep(1.0)).double(), solver)


def spectral_radius(problem: Problem) -> float:
    """The largest |eigenvalue| of J at the fixed point, over the batch, from the dense Jacobian."""
    model = problem.exact_model()
    value = model.solve(problem.y, problem.physics).value
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
        # Far enough from initialisation that J is not nearly diagonal.
        cast(nn.Conv2d, network.network[-1]).weight.mul_(60)
    denoiser, physics = ScaledDenoiser(network).double(), DensePhysics(generator)
    x = torch.rand(BATCH, 1, SIZE, SIZE, dtype=torch.float64, generator=generator)
    angles = 360 * torch.rand(BATCH, dtype=torch.float64, generator=generator) - 180
    problem = Problem(denoiser, physics, physics.A(x), x, angles)
    low, high = 0.5 * radius, 1.0
    while high - low > 1e-9:
        denoiser.scale = (low + high) / 2
        found = spectral_radius(problem)
        if abs(found - radius) < 1e-2 * (1 - radius):
            break
        low, high = (denoiser.scale, high) if found < radius else (low, denoiser.scale)
    return problem


def dense_gradient(problem: Problem) -> list[Tensor]:
    """d loss / d weights of D from dense linear solves, independent of every adjoint solver."""
    model = problem.exact_model()
    if problem.loss == "ei":
        found = dense_ei_gradient(model, problem.y, problem.physics, Rotation(), {"theta": problem.angles[None]})
        names = [name for name, _ in model.named_parameters()]
        return [problem.loss_scale * g for g, name in zip(found, names, strict=True) if "denoiser" in name]
    value = model.solve(problem.y, problem.physics).value
    assert isinstance(value, Tensor)
    slope = problem.loss_scale * 2 * (value - problem.x) / value.numel()
    adjoint = dense_adjoint(lambda z: model.iteration(z, problem.y, problem.physics), value, slope)
    out = model.iteration(value, problem.y, problem.physics)
    assert isinstance(out, Tensor)
    return list(torch.autograd.grad(out, list(problem.denoiser.parameters()), adjoint))
