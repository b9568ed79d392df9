"""Random sections of bodies that never were: dead leaves inside an ellipse, with air around it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.data.dead_leaves import dead_leaves

_HALF_LENGTH, _ROUNDNESS, _OFF_CENTRE = (0.33, 0.5), (0.6, 1.0), 0.05


def bodies(n: int, size: int, seed: int) -> Float[Tensor, "n 1 size size"]:
    """`n` square images in [0, 1]: `dead_leaves` inside one ellipse, and 0 outside; the same seed gives the same bits.

    The ellipse has a longer half axis of 0.33 to 0.5 of the side, a shorter one of 0.6 to 1 of that, any angle, and a
    centre within 0.05 of the side from the middle, all uniform. Nothing of it is fitted to a patient.
    The global random state is neither read nor changed. Raises InputError for n < 1 or size < 8.
    Training on random ellipses: Adler & Oktem, Inverse Problems 33, 2017; the distributions are ours.
    """
    leaves = dead_leaves(n, size, seed)
    # Another seed than that of the leaves: their draws are not to be repeated.
    generator = torch.Generator().manual_seed(seed + 1)

    def uniform(low: float | int, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, generator=generator)

    axis = (torch.arange(size) - (size - 1) / 2) / size
    longer = uniform(*_HALF_LENGTH)
    shorter = longer * uniform(*_ROUNDNESS)
    angle = uniform(0, math.pi)
    across = axis[None, :] - uniform(-_OFF_CENTRE, _OFF_CENTRE)
    down = axis[:, None] - uniform(-_OFF_CENTRE, _OFF_CENTRE)
    u = across * angle.cos() + down * angle.sin()
    v = down * angle.cos() - across * angle.sin()
    inside = (u / longer).square() + (v / shorter).square() < 1
    return torch.where(inside[:, None], leaves, torch.zeros(()))
