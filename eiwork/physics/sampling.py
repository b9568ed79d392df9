"""Which k-space columns a Cartesian scan measures."""

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number


def column_mask(
    width: int, *, acceleration: float | int, center_fraction: float | int, seed: int
) -> Float[Tensor, " width"]:
    """Variable-density mask of phase-encode columns: 1 where measured, the zero frequency at index width // 2.

    Exactly round(width / acceleration) columns: the round(width * center_fraction) nearest to the zero frequency
    (at least one), and the others drawn without replacement with a density proportional to
    (1 - |k| / k_max)^2, a common choice whose exponent is ours.

    Args:
        width: number of columns.
        acceleration: factor by which fewer columns are measured, from 1 up.
        center_fraction: fully sampled share of all columns, in (0, 1].
        seed: seed of the draw.

    Raises:
        InputError: a value out of range, or a centre with more columns than the mask.
    """
    check_number(acceleration, "acceleration", lambda v: 1 <= v <= width, f"from 1 to the width, {width}")
    check_number(center_fraction, "center_fraction", lambda v: 0 < v <= 1, "a share of all columns in (0, 1]")
    total = round(width / acceleration)
    center = max(1, round(width * center_fraction))
    if center > total:
        raise InputError(
            f"center_fraction = {center_fraction} asks for {center} central columns, but acceleration = "
            f"{acceleration} leaves {total} of {width}. Lower center_fraction or acceleration."
        )
    distance = (torch.arange(width, dtype=torch.float64) - width // 2).abs()
    nearest = distance.argsort(stable=True)
    mask = torch.zeros(width)
    mask[nearest[:center]] = 1.0
    if total > center:
        # Half a column is added to k_max so that the outermost column keeps a chance.
        density = (1 - distance / (width / 2 + 0.5)) ** 2
        density[nearest[:center]] = 0.0
        generator = torch.Generator().manual_seed(seed)
        mask[torch.multinomial(density, total - center, replacement=False, generator=generator)] = 1.0
    return mask
