"""Masks and coil sensitivities of a user: any array, looked at once, when an operator takes it."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from eiwork.errors import InputError, InputWarning
from eiwork.physics.checks import check_tensor

Array = Tensor | np.ndarray | Sequence


def as_tensor(value: Array, name: str) -> Tensor:
    """A tensor as it is, and what NumPy takes for numbers as one; otherwise `InputError`."""
    if isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
        # A copy: torch knows neither negative strides nor foreign byte orders.
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError):
        raise InputError(f"{name} is a {type(value).__name__} without numbers; pass a tensor or an array.") from None


def checked_mask(mask: Array, size: tuple[int, int], channels: int) -> Float[Tensor, "sets channel height width"]:
    """A copy in float32, or float64 where that would round; `InputError` unless each sample has values in (0, 1].

    mask: (height, width), (width,) for whole columns, or (1 or batch, 1 or channels, height, width).
    """
    mask, (height, width) = as_tensor(mask, "mask"), size
    if mask.numel() == width and (mask.ndim == 1 or len(mask) == 1):  # fastMRI's are (1, 1, width, 1)
        mask = mask.reshape(width).expand(size)
    full = mask[(None,) * (4 - mask.ndim)] if mask.ndim < 4 else mask
    own = channels if mask.ndim == 4 and mask.shape[1] == channels else 1
    layout = f"({height}, {width}), ({width},) for whole columns, or (batch, 1, {height}, {width}), one for each sample"
    told = full if full.shape[1:] == (own, height, width) else mask
    check_tensor(told if mask.is_complex() else told.float(), "mask", (None, own, height, width), layout)
    if not bool(((full >= 0) & (full <= 1)).all()) or not bool(full.flatten(1).any(dim=1).all()) or len(full) == 0:
        raise InputError("mask must be 1 where measured, 0 elsewhere, or weights between, not all 0: pass mask > 0.")
    single = full.float()
    return (single if torch.equal(single.to(full.dtype), full) else full).clone()


def checked_coil_maps(maps: Array, size: tuple[int, int]) -> Complex[Tensor, "sets coil height width"]:
    """A copy of complex maps (coil, height, width), maybe (batch, ...); `InputError` for what is not, or all zero."""
    maps = as_tensor(maps, "coil_maps")
    if not maps.is_complex() or maps.ndim not in (3, 4) or 0 in maps.shape or tuple(maps.shape[-2:]) != size:
        raise InputError(
            f"coil_maps is {tuple(maps.shape)} {maps.dtype}; pass complex maps (coil, {size[0]}, {size[1]}), or those "
            "of each sample, (batch, coil, ...); torch.complex(real, imaginary) makes them of two real ones."
        )
    maps = maps.reshape(-1, *maps.shape[-3:]).clone()
    largest = float(torch.linalg.vector_norm(maps, dim=1).max())
    if not 0 < largest < torch.inf:
        raise InputError("coil_maps holds NaN or infinite values, or zeros only: estimate the maps again.")
    if largest > 1.01:
        advice = "divide coil_maps by it, as step sizes and penalties are for a norm of at most 1"
        warnings.warn(
            f"The norm of A may be {largest:.3g}, sqrt(sum |s|^2) of the maps: {advice}.", InputWarning, stacklevel=3
        )
    return maps
