"""Random images that need no data: opaque shapes that hide one another, and sections of bodies that never were."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError

_FEWEST, _LEAVES, _SMALLEST_RADIUS, _SHADING, _TEXTURE = 3, 60, 2.0, 0.3, 0.05
_HALF_LENGTH, _ROUNDNESS, _OFF_CENTRE = (0.33, 0.5), (0.6, 1.0), 0.05


def dead_leaves(n: int, size: int, seed: int) -> Float[Tensor, "n 1 size size"]:
    """`n` square images in [0, 1] of random ellipses and rectangles; the same seed gives the same bits.

    Each has 3 to 60 leaves (a log-uniform number), anywhere, turned by any angle, with log-uniform radii between two
    pixels and half the side, later ones over earlier ones. A leaf has one grey value and a linear shading of up to 0.3
    at its edge. Then comes white noise of up to 0.05, as texture, and clipping. Raises InputError for n < 1 or size
    < 8. Source of the model: Lee, Mumford & Huang, IJCV 41, 2001; the distributions are ours.
    """
    if n < 1 or size < 8:
        raise InputError(f"dead_leaves(n={n}, size={size}): needs n >= 1 and size >= 8.")
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, 1, 1, generator=generator)

    axis = torch.arange(size) - (size - 1) / 2
    rows, columns = axis[:, None], axis[None, :]
    radius = _SMALLEST_RADIUS * (size / 2 / _SMALLEST_RADIUS) ** uniform(_LEAVES, n)
    aspect, angle = 0.3 + 0.7 * uniform(_LEAVES, n), math.pi * uniform(_LEAVES, n)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    centre = (uniform(_LEAVES, n, 2) - 0.5) * 1.1 * size
    is_ellipse, grey = uniform(_LEAVES, n) < 0.5, uniform(_LEAVES, n)
    shading = _SHADING * (2 * uniform(_LEAVES, n) - 1)
    count = _FEWEST * (_LEAVES / _FEWEST) ** uniform(n)
    images = uniform(n).expand(n, size, size)
    for leaf in range(_LEAVES):
        across, down = columns - centre[leaf, :, 0], rows - centre[leaf, :, 1]
        u = (across * cosine[leaf] + down * sine[leaf]) / radius[leaf]
        v = (down * cosine[leaf] - across * sine[leaf]) / (radius[leaf] * aspect[leaf])
        inside = torch.where(is_ellipse[leaf], u.square() + v.square(), torch.maximum(u.abs(), v.abs())) < 1
        images = torch.where(inside & (leaf < count), grey[leaf] + shading[leaf] * u, images)
    texture = _TEXTURE * uniform(n) * torch.randn(n, size, size, generator=generator)
    return (images + texture).clamp(0, 1)[:, None]


def bodies(n: int, size: int, seed: int) -> Float[Tensor, "n 1 size size"]:
    """`n` square images in [0, 1]: `dead_leaves` inside one ellipse, and 0 outside; the same seed gives the same bits.

    The ellipse has a longer half axis of 0.33 to 0.5 of the side, a shorter one of 0.6 to 1 of that, any angle, and a
    centre within 0.05 of the side from the middle, all uniform; nothing is fitted to a patient. Raises InputError for
    n < 1 or size < 8. Source: random ellipses, Adler & Oktem, Inverse Problems 33, 2017; the distributions are ours.
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
