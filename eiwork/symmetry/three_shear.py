"""Rotation of a square image by three shears, each of which only moves rows or columns."""

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.symmetry.spline import coefficient_matrix

Image = Float[Tensor, "batch channel side side"]
Angles = Float[Tensor, " batch"]


def rotate_by_shears(x: Image, degrees: Angles, *, fourier: bool) -> Image:
    """Counter-clockwise rotation as quarter turns and three shears of at most 22.5 and 45 degrees (Paeth 1986).

    Negative angles run the same steps in reverse order, so that the rotation by -angle is built from the inverses of
    the steps. `fourier`: shifts of rows by phases of their Fourier transform (Larkin, Oldenburg and Klemm 1997),
    periodic and orthogonal; otherwise by a cubic B-spline, zero outside.

    Args:
        x: square images.
        degrees: an angle for each image.
        fourier: which shifts.
    """
    turns = torch.round(degrees / 90)
    left = torch.deg2rad(degrees - 90 * turns).to(x)
    before = torch.where(degrees >= 0, turns, torch.zeros_like(turns))
    half, sine = -torch.tan(left / 2), torch.sin(left)
    x = _quarter_turns(x, before)
    if fourier:
        x = _fourier_shear(x, half)
        x = _fourier_shear(x.mT, sine).mT
        x = _fourier_shear(x, half)
    else:
        x = _spline_shears(x, half, sine)
    return _quarter_turns(x, turns - before)


def _quarter_turns(x: Image, turns: Angles) -> Image:
    turns = turns.to(torch.long) % 4
    if not bool(turns.any()):
        return x
    return torch.stack([torch.rot90(image, int(k), (-2, -1)) for image, k in zip(x, turns, strict=True)])


def _row_shift(slope: Angles, rows: int, like: Tensor) -> Float[Tensor, "batch rows"]:
    """How far from its place the row's new values lie: slope times the row's distance from the middle."""
    middle = torch.arange(rows, dtype=like.dtype, device=like.device) - (rows - 1) / 2
    return slope[:, None].to(like) * middle


def _fourier_shear(
    x: Float[Tensor, "batch channel rows columns"], slope: Angles
) -> Float[Tensor, "batch channel rows columns"]:
    """New row r at column c = old row r at column c + slope * r, by trigonometric interpolation."""
    columns = x.shape[-1]
    frequency = torch.fft.rfftfreq(columns, dtype=x.dtype, device=x.device)
    if columns % 2 == 0:
        # The highest frequency has no phase in a real signal: left in place, the shift is orthogonal.
        frequency[-1] = 0.0
    angle = 2 * torch.pi * _row_shift(slope, x.shape[-2], x)[..., None] * frequency
    phase = torch.complex(angle.cos(), angle.sin())[:, None]
    return torch.fft.irfft(torch.fft.rfft(x) * phase, n=columns)


def _spline_shears(x: Image, half: Angles, sine: Angles) -> Image:
    side = x.shape[-1]
    # A first shear by at most tan(22.5 degrees) moves the outermost row by 0.21 sides: nothing is cut before the last.
    margin = int(0.21 * side) + 2
    wide = side + 2 * margin
    x = _spline_shear(x, half, wide)
    x = _spline_shear(x.mT, sine, side).mT
    return _spline_shear(x, half, side)


def _spline_shear(
    x: Float[Tensor, "batch channel rows columns"], slope: Angles, width: int
) -> Float[Tensor, "batch channel rows width"]:
    """New row r at column c = old row r at column c + slope * r, on `width` columns around the same middle."""
    columns = x.shape[-1]
    coefficients = x @ coefficient_matrix(columns, x.dtype, x.device)
    place = torch.arange(width, dtype=x.dtype, device=x.device) + (columns - width) / 2
    position = place + _row_shift(slope, x.shape[-2], x)[..., None]
    cell = position.floor()
    t = position - cell
    weights = ((1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 4 - 6 * (1 - t) ** 2 + 3 * (1 - t) ** 3, t**3)
    # Two zeros on either side stand for everything outside.
    padded = torch.nn.functional.pad(coefficients, (2, 2))
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for k, weight in enumerate(weights):
        index = (cell.long() + (k - 1) + 2).clamp(0, columns + 3)[:, None].expand(-1, x.shape[1], -1, -1)
        total = total + padded.gather(-1, index) * (weight / 6)[:, None]
    return total
