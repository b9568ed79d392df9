"""What a DEQ needs to know of an iteration."""

from typing import Protocol, runtime_checkable

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.state import State

Image = Float[Tensor, "batch channel height width"]


@runtime_checkable
class Iteration(Protocol):
    """F with its start and its reading. A state is a tensor or a tuple of tensors, the batch first."""

    def __call__(self, z: State, y: Tensor, physics: LinearPhysics) -> State:
        """One application of F."""

    def start(self, y: Tensor, physics: LinearPhysics) -> State:
        """z0 from the measurement."""

    def image(self, z: State) -> Image:
        """The image that a state stands for."""

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> State:
        """A state whose image is x, and the fixed point itself where x is its image: a warm start from an image."""
