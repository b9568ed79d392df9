"""Seeded augmentation: smooth warps, affine maps and intensity remaps of a small set of images."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from eiwork.data.store import is_whole_number
from eiwork.errors import InputError

_CHUNK = 256
_CONTROL_POINTS = 6


def augment(
    images: Float[Tensor, "batch 1 height width"], n: int, seed: int, *, padding: str = "zeros"
) -> Float[Tensor, "n 1 height width"]:
    """`n` random variants of images in [0, 1]; the same seed gives the same bits.

    Every image is used floor(n / batch) or one time more, in a random order. To each, in this order:
    a rotation within +-15 degrees, scaling of each axis within 1 +- 0.1, shear within +-0.1, a shift within +-0.05 of
    the side, all uniform; a smooth displacement, uniform within +-0.02 of the side at 6 x 6 control points,
    interpolated by cubic convolution; x -> s x^g with log g uniform within +-0.25 and s uniform within [0.8, 1].

    Both maps are applied by one bicubic interpolation, clipped to [0, 1]. What comes from outside is 0 (`padding` =
    "zeros") or a reflection ("reflection"). The strengths are ours. Raises InputError for an unusable argument.
    """
    _check(images, n, seed, padding)
    generator = torch.Generator().manual_seed(seed)
    rounds = [torch.randperm(len(images), generator=generator) for _ in range(math.ceil(n / len(images)))]
    index = torch.cat(rounds)[:n]
    maps = torch.rand(n, 6, generator=generator) * 2 - 1
    control = torch.rand(n, 2, _CONTROL_POINTS, _CONTROL_POINTS, generator=generator) * 2 - 1
    remap = torch.rand(n, 2, generator=generator)
    made = images[index.to(images.device)]
    parts = []
    for start in range(0, n, _CHUNK):
        part, rows = made[start : start + _CHUNK], slice(start, start + _CHUNK)
        part = _deform(part, _matrices(maps[rows]), control[rows] * 0.04, padding)
        parts.append(_remapped(part, remap[rows]))
    return torch.cat(parts)


def _remapped(part: Float[Tensor, "n 1 height width"], uniform: Float[Tensor, "n 2"]) -> Tensor:
    gamma = torch.exp((uniform[:, 0] * 2 - 1) * 0.25).to(part)[:, None, None, None]
    scale = (1 - uniform[:, 1] * 0.2).to(part)[:, None, None, None]
    return scale * part**gamma


def _matrices(uniform: Float[Tensor, "n 6"]) -> Float[Tensor, "n 2 3"]:
    """Affine maps from numbers in [-1, 1]: rotation, two scales, shear, two shifts (in half sides)."""
    angle = uniform[:, 0] * math.radians(15)
    scale = 1 + 0.1 * uniform[:, 1:3]
    shear = 0.1 * uniform[:, 3]
    cosine, sine = torch.cos(angle), torch.sin(angle)
    first = torch.stack([cosine * scale[:, 0], (cosine * shear - sine) * scale[:, 1]], dim=1)
    second = torch.stack([sine * scale[:, 0], (sine * shear + cosine) * scale[:, 1]], dim=1)
    shift = 0.1 * uniform[:, 4:6]
    return torch.cat([torch.stack([first, second], dim=1), shift[:, :, None]], dim=2)


def _deform(
    part: Float[Tensor, "n 1 height width"],
    matrices: Float[Tensor, "n 2 3"],
    control: Float[Tensor, "n 2 points points"],
    padding: str,
) -> Float[Tensor, "n 1 height width"]:
    height, width = part.shape[-2:]
    # The grid's unit is half a side: in a rectangle a rotation needs the ratio of the sides.
    aspect = torch.tensor([[1.0, height / width, 1.0], [width / height, 1.0, 1.0]])
    grid = functional.affine_grid(matrices * aspect, list(part.shape), align_corners=False)
    displacement = functional.interpolate(control, size=(height, width), mode="bicubic", align_corners=True)
    grid = (grid + displacement.permute(0, 2, 3, 1)).to(part)
    warped = functional.grid_sample(part, grid, mode="bicubic", padding_mode=padding, align_corners=False)
    return warped.clamp(0.0, 1.0)


def _check(images: Tensor, n: int, seed: int, padding: str) -> None:
    if images.ndim != 4 or images.shape[1] != 1 or not images.is_floating_point() or images.numel() == 0:
        raise InputError(
            f"images has shape {tuple(images.shape)} and type {images.dtype}; augment takes floating-point images of "
            "shape (batch, 1, height, width), at least one."
        )
    if not (images.isfinite().all() and images.min() >= 0 and images.max() <= 1):
        raise InputError("images holds NaN, infinite values or values outside [0, 1]: scale it to [0, 1] first.")
    if not is_whole_number(n) or n < 1:
        raise InputError(f"n={n!r}: the number of images to make is a whole number of at least 1.")
    if not is_whole_number(seed):
        raise InputError(f"seed={seed!r}: a seed is a whole number, e.g. 0.")
    if padding not in ("zeros", "reflection"):
        raise InputError(f"padding={padding!r} is unknown: choose 'zeros' or 'reflection'.")
