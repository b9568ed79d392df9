"""Rotations by any angle, or by multiples of one."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.symmetry.per_sample import PerSampleTransform
from eiwork.symmetry.spline import spline_sample
from eiwork.symmetry.three_shear import rotate_by_shears

INTERPOLATIONS = ("spline", "bicubic", "bilinear", "nearest", "shear", "fourier")


class Rotation(PerSampleTransform):
    """Rotation about the image centre by a random angle for every image, counter-clockwise, zeros outside.

    Linear in the image and differentiable. Multiples of 90 degrees are exact on square images, whatever the
    interpolation. At other angles, on random sums of waves of at most f cycles per pixel that fade out inside a disc
    (64x64 pixels, 32 random angles, `interpolation_error`; distance to the true rotation: 12 angles):

    ============= ================= ================= ===================== ==========
    interpolation to the truth      there and back    ||T_g^T T_g - I||     ms for 8
    ============= ================= ================= ===================== ==========
    f =           0.1     0.3       0.1     0.3       0.1       0.3
    "fourier"     0.00010 0.00024   6e-16   6e-16     3e-16     6e-16       1
    "spline"      0.00017 0.014     0.00026 0.025     0.00027   0.068       5
    "shear"       0.00023 0.020     0.00039 0.037     0.00055   0.14        4
    "bicubic"     0.016   0.033     0.019   0.046     0.022     0.10        1
    "bilinear"    0.022   0.17      0.042   0.28      0.054     0.51        1
    "nearest"     0.13    0.38      0.10    0.29      0.051     0.47        1
    ============= ================= ================= ===================== ==========

    "fourier" is orthogonal on square images, so that its inverse and its adjoint are one and exact. It is periodic:
    what leaves the frame at one side comes back at another, so it suits images that are zero outside a disc, as CT
    and MRI slices. All others are zero outside. The last column is one core of a shared machine, float64.

    Args:
        interpolation: "spline" (cubic B-spline), "shear" (three shears, by cubic B-splines along rows and columns),
            "fourier" (three shears by phases of the Fourier transform), or `grid_sample`'s "bicubic", "bilinear" or
            "nearest".
        max_degrees: angles are uniform in [-max_degrees, max_degrees], in (0, 180].
        n_trans: rotated versions per image.
        multiples_of: only multiples of this angle up to max_degrees, each as likely as any other; 90 for quarter
            turns. None for any angle.
        rng: CPU generator of the angles; None draws from PyTorch's default generator.

    Raises:
        InputError: unknown interpolation or a value out of range.
    """

    def __init__(
        self,
        interpolation: str = "spline",
        max_degrees: float | int = 180.0,
        *,
        n_trans: int = 1,
        multiples_of: float | int | None = None,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_trans=n_trans, rng=rng)
        if interpolation not in INTERPOLATIONS:
            known = ", ".join(INTERPOLATIONS)
            raise InputError(f"interpolation = {interpolation!r} is unknown; use one of: {known}.")
        check_number(max_degrees, "max_degrees", lambda v: 0 < v <= 180, "an angle in (0, 180] degrees")
        if multiples_of is not None:
            rule = f"an angle above 0 and at most max_degrees = {max_degrees}"
            check_number(multiples_of, "multiples_of", lambda v: 0 < v <= max_degrees, rule)
        self.interpolation = interpolation
        self.max_degrees = float(max_degrees)
        self.multiples_of = None if multiples_of is None else float(multiples_of)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The angle in degrees."""
        return ("theta",)

    def all_params(self, height: int, width: int) -> dict[str, Tensor] | None:
        """The angles that `multiples_of` leaves; None without it."""
        return None if self.multiples_of is None else {"theta": self._angles()}

    def _angles(self) -> Float[Tensor, " n"]:
        assert self.multiples_of is not None
        limit = int(self.max_degrees / self.multiples_of + 1e-9)
        # Half a turn to either side is the same rotation: count it once.
        first = -limit + 1 if 2 * limit * self.multiples_of == 360 else -limit
        return torch.arange(first, limit + 1, dtype=torch.float64) * self.multiples_of

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        if self.multiples_of is not None:
            angles = self._angles()
            chosen = torch.randint(len(angles), (self.n_trans, len(x)), generator=self.rng)
            return {"theta": angles[chosen]}
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
        height, width = x.shape[-2:]
        if self.interpolation in ("shear", "fourier"):
            return _by_shears(x, degrees, fourier=self.interpolation == "fourier")
        position = rotated_positions(degrees, height, width).to(x)
        if self.interpolation == "spline":
            return spline_sample(x, position)
        size = torch.tensor([width, height]).to(x)
        grid = (2 * position + 1) / size - 1
        return grid_sample(x, grid, mode=self.interpolation, padding_mode="zeros", align_corners=False)


def _by_shears(
    x: Float[Tensor, "batch channel height width"], degrees: Float[Tensor, " batch"], *, fourier: bool
) -> Float[Tensor, "batch channel height width"]:
    """Rotation by three shears, on a square canvas around an image that is not square."""
    height, width = x.shape[-2:]
    if height == width:
        return rotate_by_shears(x, degrees, fourier=fourier)
    if (height - width) % 2:
        raise InputError(
            f"Three shears turn a {height} x {width} image about its centre only if both sides are even or both odd: "
            'crop a row or a column, or use interpolation="spline".'
        )
    side = max(height, width)
    rows, columns = (side - height) // 2, (side - width) // 2
    canvas = pad(x, (columns, columns, rows, rows))
    turned = rotate_by_shears(canvas, degrees, fourier=fourier)
    return turned[..., rows : rows + height, columns : columns + width]


def rotated_positions(
    degrees: Float[Tensor, " batch"], height: int, width: int
) -> Float[Tensor, "batch height width 2"]:
    """Where each pixel of the rotated image lies in the original: (column, row) in pixels.

    Pixels are square whatever the image's aspect ratio.
    """
    radians = torch.deg2rad(degrees)[:, None, None]
    rows = torch.arange(height, dtype=degrees.dtype)[:, None] - (height - 1) / 2
    columns = torch.arange(width, dtype=degrees.dtype)[None, :] - (width - 1) / 2
    x = columns * radians.cos() - rows * radians.sin()
    y = columns * radians.sin() + rows * radians.cos()
    return torch.stack([x + (width - 1) / 2, y + (height - 1) / 2], dim=-1)
