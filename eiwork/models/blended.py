"""A denoiser drawn towards a plain shrinkage."""

from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]


class Blended(nn.Module):
    """w D(x) + (1 - w) c x: a denoiser drawn towards a plain shrinkage, which is a contraction whatever D is.

    denoiser: D, image -> image. weight: w in [0, 1]. shrunk: c in [0, 1), what the shrinkage leaves of an image.
    Raises InputError for values out of range.
    """

    def __init__(self, denoiser: nn.Module, weight: float | int, *, shrunk: float | int = 0.9) -> None:
        super().__init__()
        if not (0 <= weight <= 1 and 0 <= shrunk < 1):
            raise InputError(
                f"Blended(weight={weight}, shrunk={shrunk}): the weight lies in [0, 1], and what the shrinkage leaves "
                "in [0, 1), or it would be no contraction."
            )
        self.denoiser, self.weight, self.shrunk = denoiser, float(weight), float(shrunk)

    def forward(self, x: Image) -> Image:
        """Apply it to images (batch, channels, height, width)."""
        shrunk = (1 - self.weight) * self.shrunk * x
        return shrunk + self.weight * self.denoiser(x) if self.weight else shrunk
