"""Iterations F(z, y) whose fixed points are reconstructions."""

from typing import Protocol, runtime_checkable

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.fixed_point.state import State
from eiwork.models.data_steps import DataStep, GradientStep

Image = Float[Tensor, "batch channel height width"]


@runtime_checkable
class Iteration(Protocol):
    """F with its start and its reading: what a DEQ needs to know of an iteration."""

    def __call__(self, z: State, y: Tensor, physics: LinearPhysics) -> State:
        """One application of F."""

    def start(self, y: Tensor, physics: LinearPhysics) -> State:
        """z0 from the measurement."""

    def image(self, z: State) -> Image:
        """The image that a state stands for."""


class ProximalGradient(nn.Module):
    """F(x, y) = D(step(x, y)): proximal gradient descent with a learned operator in place of the proximal map.

    denoiser: D, any module image -> image of the same shape. data_step: GradientStep() by default, WhitenedStep() for
    badly conditioned physics.
    """

    def __init__(self, denoiser: nn.Module, data_step: DataStep | None = None) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.data_step = GradientStep() if data_step is None else data_step

    def forward(self, z: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One application of F."""
        return self.denoiser(self.data_step(z, y, physics))

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The data step's first image."""
        return self.data_step.start(y, physics)

    def image(self, z: Image) -> Image:
        """The state is the image."""
        return z
