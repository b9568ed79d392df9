"""Vectors with identity covariance, with which traces and Frobenius norms are measured."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]


@runtime_checkable
class Probes(Protocol):
    """`count` probes for every image of a batch; `exact` if they form a complete orthogonal basis."""

    def count(self, x: Tensor) -> int:
        """How many probes an image gets."""

    def draw(self, x: Tensor, index: int, generator: torch.Generator | None) -> Tensor:
        """Probe `index` of every image, shaped like x."""

    @property
    def exact(self) -> bool:
        """Whether the probes leave no sampling error."""


@dataclass(frozen=True)
class RandomSigns:
    """Hutchinson's probes: independent signs +1 and -1, other ones for every image (Hutchinson, 1989).

    number: probes per image, >= 2; the standard error falls with its square root. Needs a generator.
    """

    number: int = 32

    def __post_init__(self) -> None:
        if self.number < 2:
            raise InputError(f"RandomSigns({self.number}): a standard error needs at least two probes.")

    def count(self, x: Image) -> int:
        """The number of probes."""
        return self.number

    def draw(self, x: Image, index: int, generator: torch.Generator | None) -> Image:
        """Signs in the shape and type of x."""
        if generator is None:
            raise InputError("Random probes need a generator: pass torch.Generator().manual_seed(0).")
        signs = torch.randint(2, x.shape, generator=generator, device=generator.device)
        return (2 * signs - 1).to(x)

    @property
    def exact(self) -> bool:
        """They have a sampling error."""
        return False


@dataclass(frozen=True)
class CompleteBasis:
    """Every pixel once: traces and Frobenius norms come out exactly, at as many products as an image has values."""

    def count(self, x: Image) -> int:
        """The number of values of one image."""
        return x[0].numel()

    def draw(self, x: Image, index: int, generator: torch.Generator | None) -> Image:
        """The unit vector of value `index` of the image."""
        unit = torch.zeros_like(x).flatten(1)
        unit[:, index] = 1
        return unit.view_as(x)

    @property
    def exact(self) -> bool:
        """Nothing is random."""
        return True
