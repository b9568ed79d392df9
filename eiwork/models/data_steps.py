"""Steps towards the measurements: the part of an iteration that knows A and y."""

from typing import Protocol, runtime_checkable

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]


def log_parameter(value: float | int, name: str, advice: str) -> nn.Parameter:
    """The logarithm of a positive number as a parameter: no update makes it negative. Raises InputError with advice."""
    if not 0 < value < float("inf"):
        raise InputError(f"{name}={value}: must be positive and finite; {advice}.")
    return nn.Parameter(torch.tensor(float(value)).log())


@runtime_checkable
class DataStep(Protocol):
    """x -> a point closer to {x : A x = y}, and a start for the iteration."""

    def __call__(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One step."""

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """A first image from the measurement alone."""


class _LearntStep(nn.Module):
    """A positive step size, learnt through its logarithm."""

    def __init__(self, step_size: float | int = 1.0) -> None:
        super().__init__()
        self.log_step = log_parameter(step_size, "step_size", "1.0 suits a physics of unit norm")

    @property
    def step_size(self) -> Float[Tensor, ""]:
        """gamma > 0."""
        return self.log_step.exp()


class GradientStep(_LearntStep):
    """x - gamma A^T (A x - y): one gradient step on ||A x - y||^2 / 2, with a learnt gamma.

    step_size: initial gamma; below 2 / ||A||^2 the step does not expand (1.0 for a physics of unit norm).
    """

    def forward(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One gradient step."""
        return x - self.step_size * physics.A_adjoint(physics.A(x) - y)

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The adjoint A^T y."""
        return physics.A_adjoint(y)


class WhitenedStep(_LearntStep):
    """x - gamma A^T (A A^T + r I)^{-1} (A x - y): a gradient step in the norm that whitens the measurement.

    Every singular value s of A is treated as s / sqrt(s^2 + r): few-view tomography converges in a few evaluations, not
    hundreds. step_size: initial gamma. regularisation: r > 0, relative to ||A||^2 = 1; smaller is faster and noisier.
    Raises InputError for a physics without `whiten` (tomography has it).
    """

    def __init__(self, step_size: float | int = 1.0, regularisation: float | int = 0.01) -> None:
        super().__init__(step_size)
        if not regularisation > 0:
            raise InputError(f"regularisation={regularisation}: must be positive; 0.01 suits few-view tomography.")
        self.regularisation = regularisation

    def forward(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One whitened gradient step."""
        return x - self.step_size * self.start(physics.A(x) - y, physics)

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The Tikhonov solution A^T (A A^T + r I)^{-1} y."""
        if not hasattr(physics, "whiten"):
            raise InputError(
                f"WhitenedStep needs a physics with `whiten`, which {type(physics).__name__} lacks: "
                "use GradientStep or ProximalStep for MRI and inpainting, whose singular values are already 0 or 1."
            )
        return physics.A_adjoint(physics.whiten(y, self.regularisation))


class ProximalStep(nn.Module):
    """argmin over x' of ||A x' - y||^2 / 2 + rho / 2 ||x' - x||^2: the proximal map of the data term, learnt rho.

    x' = x + A^T (A A^T + rho I)^-1 (y - A x), by the physics' `prox_l2`: exact for our Cartesian MRI, inpainting and
    tomography, by conjugate gradients elsewhere; ours are differentiable in x, y and rho to any order.

    penalty: initial rho > 0, relative to ||A||^2; smaller stays closer to the measurements. Raises InputError.
    """

    def __init__(self, penalty: float | int = 0.1) -> None:
        super().__init__()
        self.log_penalty = log_parameter(
            penalty, "penalty", "0.1 is a good start for MRI and inpainting, 0.01 for few-view tomography"
        )

    @property
    def penalty(self) -> Float[Tensor, ""]:
        """rho > 0."""
        return self.log_penalty.exp()

    def forward(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """The point closest to x that explains y, in the balance that rho sets."""
        return physics.prox_l2(x, y, 1 / self.penalty)

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The Tikhonov solution A^T (A A^T + rho I)^-1 y."""
        return physics.prox_l2(None, y, 1 / self.penalty)
