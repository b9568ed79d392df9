"""Numbers estimated with random probes: the probes, and the standard error that they leave."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True)
class Estimate:
    """One number per image with the standard error of its estimation (0 where nothing was drawn at random)."""

    value: Float[Tensor, " batch"]
    standard_error: Float[Tensor, " batch"]

    @staticmethod
    def exact(value: Tensor) -> "Estimate":
        """Numbers without sampling error."""
        return Estimate(value, torch.zeros_like(value))


def jackknife(statistic: Callable[[Tensor], Tensor], draws: Float[Tensor, "k batch columns"]) -> Estimate:
    """A smooth function of the means of random draws, with its standard error per sample.

    statistic: means (..., batch, columns) -> (..., batch). The error is that of the delete-one jackknife (Efron, 1982).
    Raises InputError for fewer than two draws.
    """
    k = len(draws)
    if k < 2:
        raise InputError(
            f"A standard error needs at least two random draws, got {k}: take more probes, for example 32."
        )
    total = draws.sum(dim=0)
    without_one = statistic((total - draws) / (k - 1))
    spread = (without_one - without_one.mean(dim=0)).square().sum(dim=0)
    return Estimate(statistic(total / k), (spread * (k - 1) / k).sqrt())


@dataclass(frozen=True)
class RandomSigns:
    """Hutchinson's probes: independent signs +1 and -1, other ones for every image (Hutchinson, 1989).

    number: probes per image, >= 2; the standard error falls with its square root. Needs a generator.
    """

    number: int = 32
    exact: ClassVar[bool] = False

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


@dataclass(frozen=True)
class CompleteBasis:
    """Every pixel once: traces and Frobenius norms come out exactly, at as many products as an image has values."""

    exact: ClassVar[bool] = True

    def count(self, x: Image) -> int:
        """The number of values of one image."""
        return x[0].numel()

    def draw(self, x: Image, index: int, generator: torch.Generator | None) -> Image:
        """The unit vector of value `index` of the image."""
        unit = torch.zeros_like(x).flatten(1)
        unit[:, index] = 1
        return unit.view_as(x)
