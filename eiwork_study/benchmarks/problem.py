"""The problem that every library solves: the same network weights, physics values, data and loss."""

import copy
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from deepinv.loss import EILoss, MCLoss
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.losses import WarmStartedEILoss
from eiwork.models import DEQ, GradientStep, ProximalGradient
from eiwork.symmetry import Rotation
from eiwork_study.benchmarks.counting import CountedDenoiser, Evaluations

Image = Float[Tensor, "batch channel height width"]
LossName = Literal["supervised", "ei"]


class FixedRotation(Transform):
    """Rotation of each image by its own known angle in degrees, so that every library sees the same group element."""

    def __init__(self, angles: Float[Tensor, " batch"]) -> None:
        super().__init__()
        self.rotation, self.angles = Rotation(), angles

    def forward(self, x: Image, **params: object) -> Image:
        """Rotate the images."""
        return self.rotation.transform(x, theta=self.angles[None].to(x.dtype))


@dataclass(frozen=True)
class Problem:
    """One gradient to compute: d loss / d weights of D at the fixed point x = D(x - gamma A^T (A x - y)).

    denoiser: D. step_size: gamma. y: measurements of x (batch, channel, height, width). angles: degrees, one per
    image, of the EI loss. loss: "supervised" ||f(y) - x||^2, or "ei" ||A f(y) - y||^2 + ||f(A T f(y)) - T f(y)||^2,
    which calls the model twice; both are means, times `loss_scale`. exact_physics: A in float64, for operators that
    `double()` does not convert.
    """

    denoiser: nn.Module
    step_size: float
    physics: LinearPhysics
    y: Tensor
    x: Image
    angles: Float[Tensor, " batch"]
    loss: LossName = "supervised"
    loss_scale: float = 1.0
    exact_physics: LinearPhysics | None = None
    evaluations: Evaluations = field(default_factory=Evaluations)

    def with_loss(self, loss: LossName) -> "Problem":
        """The same problem with another loss."""
        return replace(self, loss=loss)

    def double(self) -> "Problem":
        """The same problem in float64 (weights, physics and data are copies)."""
        physics = copy.deepcopy(self.physics).double() if self.exact_physics is None else self.exact_physics
        return replace(
            self,
            denoiser=copy.deepcopy(self.denoiser).double(),
            physics=physics,
            y=self.y.double(),
            x=self.x.double(),
            evaluations=Evaluations(),
        )

    @property
    def counted_denoiser(self) -> CountedDenoiser:
        """D, which reports every evaluation and every backward pass to `evaluations`."""
        return CountedDenoiser(self.denoiser, self.evaluations)

    def value(self, model: nn.Module) -> Float[Tensor, ""]:
        """The loss of a reconstruction model in deepinv's convention model(y, physics)."""
        x_net = model(self.y, self.physics)
        if self.loss == "supervised":
            return self.loss_scale * (x_net - self.x).square().mean()
        # What only our DEQ offers, and what its trainings can switch on: the second solve starts at T_g x.
        loss = WarmStartedEILoss if isinstance(model, DEQ) else EILoss
        ei = loss(FixedRotation(self.angles), apply_noise=False)
        consistency = MCLoss()(y=self.y, x_net=x_net, physics=self.physics)
        return self.loss_scale * (consistency + ei(x_net=x_net, physics=self.physics, model=model))

    def gradient(self, model: nn.Module) -> list[Tensor]:
        """d loss / d weights of D, one tensor per parameter; `evaluations` counts what it took."""
        self.evaluations.reset()
        return list(torch.autograd.grad(self.value(model), list(self.denoiser.parameters())))

    def reference(self, tol: float = 1e-10) -> list[Tensor]:
        """The gradient in float64 with every solve to `tol`; raises ConvergenceError if one does not get there."""
        exact = self.double()
        solver = Anderson(tol=tol, max_iter=3000, memory=15, on_failure="raise")
        adjoint = GMRES(tol=tol, max_iter=3000, restart=100, on_failure="raise")
        iteration = ProximalGradient(exact.counted_denoiser, GradientStep(self.step_size)).double()
        return exact.gradient(DEQ(iteration, solver, Implicit(adjoint)))
