"""Rotations by any angle, or by multiples of one."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.symmetry.per_sample import PerSampleTransform

INTERPOLATIONS = ("fourier", "bilinear")

Angles = Float[Tensor, " batch"]


class Rotation(PerSampleTransform):
    """Rotation about the image centre by a random angle for every image, counter-clockwise.

    Linear in the image and differentiable. Multiples of 90 degrees are exact on square images, whatever the
    interpolation. At other angles, on waves of at most f cycles per pixel that fade out inside a disc (64x64 pixels):

    ============= ================= ================= ===================
    interpolation to the truth      there and back    ||T_g^T T_g - I||
    f =           0.1     0.3       0.1     0.3       0.1       0.3
    "fourier"     0.00010 0.00024   6e-16   6e-16     3e-16     6e-16
    "bilinear"    0.022   0.17      0.042   0.28      0.054     0.51
    ============= ================= ================= ===================

    "fourier", three shears by phases of the Fourier transform, is orthogonal on square images. It is periodic: what
    leaves the frame at one side comes back at another, so it suits images that are zero outside a disc, as CT and MRI
    slices. "bilinear" puts zeros there.

    max_degrees: angles are uniform in [-max_degrees, max_degrees], in (0, 180]. multiples_of: only multiples of this
    angle up to max_degrees, each as likely as any other; 90 for quarter turns. n_trans, rng: see `PerSampleTransform`.
    `InputError` for an unknown interpolation or a value out of range.
    """

    def __init__(
        self,
        interpolation: str = "fourier",
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
        return None if self.multiples_of is None else {"theta": self._angles(self.multiples_of)}

    def _angles(self, step: float) -> Float[Tensor, " n"]:
        limit = int(self.max_degrees / step + 1e-9)
        # Half a turn to either side is the same rotation: count it once.
        first = -limit + 1 if 2 * limit * step == 360 else -limit
        return torch.arange(first, limit + 1, dtype=torch.float64) * step

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        if self.multiples_of is not None:
            angles = self._angles(self.multiples_of)
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
        self, x: Float[Tensor, "batch channel height width"], degrees: Angles
    ) -> Float[Tensor, "batch channel height width"]:
        return _fourier(x, degrees) if self.interpolation == "fourier" else _bilinear(x, degrees)


def _bilinear(
    x: Float[Tensor, "batch channel height width"], degrees: Angles
) -> Float[Tensor, "batch channel height width"]:
    """Pixels are square whatever the image's aspect ratio."""
    height, width = x.shape[-2:]
    radians = torch.deg2rad(degrees)[:, None, None]
    rows = torch.arange(height, dtype=degrees.dtype)[:, None] - (height - 1) / 2
    columns = torch.arange(width, dtype=degrees.dtype)[None, :] - (width - 1) / 2
    # Where each pixel of the rotated image lies in the original, in pixels.
    column = columns * radians.cos() - rows * radians.sin() + (width - 1) / 2
    row = columns * radians.sin() + rows * radians.cos() + (height - 1) / 2
    position = torch.stack([column, row], dim=-1).to(x)
    grid = (2 * position + 1) / torch.tensor([width, height]).to(x) - 1
    return grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _fourier(
    x: Float[Tensor, "batch channel height width"], degrees: Angles
) -> Float[Tensor, "batch channel height width"]:
    """Three shears, on a square canvas around an image that is not square."""
    height, width = x.shape[-2:]
    if height == width:
        return rotate_by_shears(x, degrees)
    if (height - width) % 2:
        raise InputError(
            f"Three shears turn a {height} x {width} image about its centre only if both sides are even or both odd: "
            'crop a row or a column, or use interpolation="bilinear".'
        )
    side = max(height, width)
    rows, columns = (side - height) // 2, (side - width) // 2
    turned = rotate_by_shears(pad(x, (columns, columns, rows, rows)), degrees)
    return turned[..., rows : rows + height, columns : columns + width]


def rotate_by_shears(
    x: Float[Tensor, "batch channel side side"], degrees: Angles
) -> Float[Tensor, "batch channel side side"]:
    """Counter-clockwise rotation as quarter turns and three shears of at most 22.5 and 45 degrees (Paeth 1986).

    Rows are shifted by phases of their Fourier transform (Larkin, Oldenburg and Klemm 1997), periodic and orthogonal.
    Negative angles run the same steps in reverse order, so that the rotation by -angle is built from the inverses of
    the steps.
    """
    turns = torch.round(degrees / 90)
    left = torch.deg2rad(degrees - 90 * turns).to(x)
    before = torch.where(degrees >= 0, turns, torch.zeros_like(turns))
    half, sine = -torch.tan(left / 2), torch.sin(left)
    x = _quarter_turns(x, before)
    x = _shear(x, half)
    x = _shear(x.mT, sine).mT
    x = _shear(x, half)
    return _quarter_turns(x, turns - before)


def _quarter_turns(x: Float[Tensor, "batch channel side side"], turns: Angles) -> Float[Tensor, "batch c side side"]:
    turns = turns.to(torch.long) % 4
    if not bool(turns.any()):
        return x
    return torch.stack([torch.rot90(image, int(k), (-2, -1)) for image, k in zip(x, turns, strict=True)])


def _shear(
    x: Float[Tensor, "batch channel rows columns"], slope: Angles
) -> Float[Tensor, "batch channel rows columns"]:
    """New row r, counted from the middle, at column c = old row r at column c + slope * r (trigonometric)."""
    rows, columns = x.shape[-2:]
    frequency = torch.fft.rfftfreq(columns, dtype=x.dtype, device=x.device)
    if columns % 2 == 0:
        # The highest frequency has no phase in a real signal: left in place, the shift is orthogonal.
        frequency[-1] = 0.0
    middle = torch.arange(rows, dtype=x.dtype, device=x.device) - (rows - 1) / 2
    shift = slope[:, None].to(x) * middle
    angle = 2 * torch.pi * shift[..., None] * frequency
    phase = torch.complex(angle.cos(), angle.sin())[:, None]
    return torch.fft.irfft(torch.fft.rfft(x) * phase, n=columns)
