"""A denoiser spoiled by a rotation of known size: the negative control of every test for a gradient."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]


class RotatedField(nn.Module):
    """D(x) + s R x, with R antisymmetric and orthogonal: values of the image turned in pairs by 90 degrees.

    R pairs the values at random: of a pair (a, b) it makes (-b, a). So (J - J^T) / 2 gains s R, of Frobenius norm
    s sqrt(n) and spectral norm s, and the circulation around a circle of radius r in the plane of a pair is 2 pi r^2 s.

    denoiser: D. strength: s. image_shape: (channel, height, width) with an even number n of values, else InputError.
    generator: of the pairing.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        strength: float | int,
        image_shape: tuple[int, int, int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        size = torch.Size(image_shape).numel()
        if size % 2:
            raise InputError(
                f"RotatedField pairs the values of an image; {tuple(image_shape)} has an odd number of them."
            )
        self.denoiser, self.strength = denoiser, strength
        first, second = torch.randperm(size, generator=generator, device=generator.device).cpu().chunk(2)
        partner, sign = torch.empty(size, dtype=torch.long), torch.empty(size)
        partner[first], partner[second] = second, first
        sign[first], sign[second] = -1.0, 1.0
        self.register_buffer("partner", partner)
        self.register_buffer("sign", sign)
        self.partner: Tensor
        self.sign: Tensor

    def rotation(self, x: Image) -> Image:
        """R x."""
        return (x.flatten(1)[:, self.partner] * self.sign.to(x)).view_as(x)

    def forward(self, x: Image) -> Image:
        """Apply the spoiled operator to images (batch, channel, height, width)."""
        return self.denoiser(x) + self.strength * self.rotation(x)
