"""Rotations by any angle."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.symmetry.per_sample import PerSampleTransform

Interpolation = Literal["bicubic", "bilinear", "nearest"]


class Rotation(PerSampleTransform):
    """Rotation about the image centre by a random angle for every image, counter-clockwise, zeros outside.

    Linear in the image and differentiable. Multiples of 90 degrees are exact on square images.

    Args:
        interpolation: "bicubic", "bilinear" or "nearest".
        max_degrees: angles are uniform in [-max_degrees, max_degrees], in (0, 180].
        n_trans: rotated versions per image.
        rng: CPU generator of the angles; None draws from PyTorch's default generator.

    Raises:
        InputError: unknown interpolation or a value out of range.
    """

    def __init__(
        self,
        interpolation: Interpolation = "bicubic",
        max_degrees: float | int = 180.0,
        *,
        n_trans: int = 1,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_trans=n_trans, rng=rng)
        if interpolation not in ("bicubic", "bilinear", "nearest"):
            raise InputError(f'interpolation = {interpolation!r} is unknown; use "bicubic", "bilinear" or "nearest".')
        check_number(max_degrees, "max_degrees", lambda v: 0 < v <= 180, "an angle in (0, 180] degrees")
        self.interpolation = interpolation
        self.max_degrees = float(max_degrees)

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        uniform = torch.rand(self.n_trans, len(x), generator=self.rng, dtype=torch.float64)
        return {"theta": (2 * uniform - 1) * self.max_degrees}

    def _transform(self, x: Tensor, theta: Tensor | None = None, **kwargs: object) -> Tensor:
        if theta is None:
            raise InputError("theta is missing; pass the angles in degrees, or nothing for random ones.")
        x, degrees = self.per_sample(x, torch.as_tensor(theta, dtype=torch.float64))
        degrees = degrees.cpu()
        quarter = (degrees % 90 == 0) if x.shape[-1] == x.shape[-2] else torch.zeros(len(x), dtype=torch.bool)
        if not quarter.any():
            return self._interpolate(x, degrees)
        turned = [
            torch.rot90(image, int(angle) // 90, (-2, -1)) if exact else self._interpolate(image[None], angle[None])[0]
            for image, angle, exact in zip(x, degrees, quarter.tolist(), strict=True)
        ]
        return torch.stack(turned)

    def _interpolate(
        self, x: Float[Tensor, "batch channel height width"], degrees: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch channel height width"]:
        grid = rotation_grid(degrees, x.shape[-2], x.shape[-1]).to(x)
        return grid_sample(x, grid, mode=self.interpolation, padding_mode="zeros", align_corners=False)


def rotation_grid(
    degrees: Float[Tensor, " batch"], height: int, width: int
) -> Float[Tensor, "batch height width 2"]:
    """Where each pixel of the rotated image looks in the original, in `grid_sample`'s coordinates.

    Pixels are square whatever the image's aspect ratio.
    """
    radians = torch.deg2rad(degrees)[:, None, None]
    rows = torch.arange(height, dtype=degrees.dtype)[:, None] - (height - 1) / 2
    columns = torch.arange(width, dtype=degrees.dtype)[None, :] - (width - 1) / 2
    x = columns * radians.cos() - rows * radians.sin()
    y = columns * radians.sin() + rows * radians.cos()
    return torch.stack([2 * x / width, 2 * y / height], dim=-1)
