"""Coil sensitivities: synthetic ones, and the check of given ones."""

import math

import torch
from jaxtyping import Complex
from torch import Tensor

from eiwork.errors import InputError


def coil_sensitivities(n_coils: int, height: int, width: int) -> Complex[Tensor, "coil height width"]:
    """Smooth maps of coils evenly spread on a circle around the image, with sum over coils of |s|^2 = 1.

    Each coil has a Gaussian magnitude around its place and a phase that varies linearly across the image; the
    shapes are ours. The normalisation makes coil combination by the conjugate maps exact, and the norm of the
    multi-coil operator at most 1.

    Args:
        n_coils: number of coils, from 1 up.
        height: image height.
        width: image width.

    Returns:
        complex64 maps.
    """
    y = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]
    x = torch.linspace(-1, 1, width, dtype=torch.float64)[None, :]
    maps = []
    for coil in range(n_coils):
        angle = 2 * math.pi * coil / n_coils
        cy, cx = 1.2 * math.sin(angle), 1.2 * math.cos(angle)
        size = torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 0.7**2))
        phase = angle + 0.5 * math.pi * (cy * y + cx * x)
        maps.append(torch.polar(size, phase))
    stacked = torch.stack(maps)
    norm = torch.linalg.vector_norm(stacked, dim=0, keepdim=True)
    return (stacked / norm).to(torch.complex64)


def checked_coil_maps(maps: object, size: int) -> Complex[Tensor, "batch coil size size"]:
    """Given maps (coil, size, size) or (batch or 1, coil, size, size), complex, with an axis for the batch.

    Raises:
        InputError: not a finite complex tensor of such a shape, or zero everywhere.
    """
    usable = isinstance(maps, Tensor) and maps.is_complex() and maps.ndim in (3, 4) and maps.numel() > 0
    if not usable or tuple(maps.shape[-2:]) != (size, size):  # type: ignore[attr-defined]
        found = f"{tuple(maps.shape)} {maps.dtype}" if isinstance(maps, Tensor) else type(maps).__name__
        raise InputError(
            f"coil_maps is {found}; pass a complex tensor (coil, {size}, {size}), or (batch, coil, {size}, {size})."
        )
    assert isinstance(maps, Tensor)
    if not bool(torch.isfinite(maps).all()) or not bool((maps != 0).any()):
        raise InputError("coil_maps holds NaN or infinite values, or zeros only: estimate the maps again.")
    return maps if maps.ndim == 4 else maps[None]
