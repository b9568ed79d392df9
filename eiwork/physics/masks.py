"""Masks and coil sensitivities of a user: any array, in the shape that operators take."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_finite, check_tensor

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


def as_mask(mask: Array, size: tuple[int, int], channels: int) -> Float[Tensor, "sets channel height width"]:
    """A mask in floating point, its values not looked at; `InputError` for a shape that does not fit.

    mask: (height, width), (width,) for whole columns, or with axes for channels and samples, each maybe 1, in front.
    """
    mask, (height, width) = as_tensor(mask, "mask"), size
    if mask.numel() == width and (mask.ndim == 1 or len(mask) == 1):  # fastMRI's are (1, 1, width, 1)
        mask = mask.reshape(width).expand(size)
    full = mask[(None,) * (4 - mask.ndim)] if mask.ndim < 4 else mask
    own = channels if full.shape[1] == channels else 1
    fitting = full if full.shape[1:] == (own, height, width) else mask
    layout = f"({height}, {width}), ({width},) for whole columns, or (batch, 1, {height}, {width}), one for each sample"
    check_tensor(fitting if mask.is_complex() else fitting.float(), "mask", (None, own, height, width), layout)
    return full if mask.dtype == torch.float64 else full.float()


def checked_mask(mask: Array, size: tuple[int, int], channels: int) -> Float[Tensor, "sets channel height width"]:
    """A copy; `InputError` for values outside [0, 1], or where nothing is measured."""
    mask = as_mask(mask, size, channels)
    if not bool(((mask >= 0) & (mask <= 1)).all()):
        raise InputError("mask holds values outside [0, 1]: 1 is measured, 0 missing, a weight between; pass mask > 0.")
    if len(mask) == 0 or not bool(mask.flatten(1).any(dim=1).all()):
        raise InputError("mask measures nothing of an image: all its values are zero.")
    single = mask.float()
    return (single if torch.equal(single.to(mask), mask) else mask).clone()


def checked_kspace_mask(mask: Array, size: tuple[int, int]) -> Float[Tensor, "sets 1 height width"]:
    """A checked mask of k-space; a warning where it leaves out the zero frequency, (height // 2, width // 2)."""
    mask, (row, column) = checked_mask(mask, size, 2), (size[0] // 2, size[1] // 2)
    if not torch.equal(mask[:, 0], mask[:, -1]):
        raise InputError("mask has two channels that differ; one mask for each of two images is (2, 1, height, width).")
    if not bool(mask[:, 0, row, column].all()):
        advice = "torch.fft.fftshift(mask) if yours is at the corner, 1 - mask if 1 stands for what is missing"
        warnings.warn(f"mask leaves out the zero frequency, at ({row}, {column}) here: pass {advice}.", stacklevel=3)
    return mask[:, :1]


def as_coil_maps(maps: Array, size: tuple[int, int]) -> Complex[Tensor, "sets coil height width"]:
    """Complex maps, their values not looked at; `InputError` for another type or shape."""
    maps = as_tensor(maps, "coil_maps")
    if not maps.is_complex() or maps.ndim not in (3, 4) or 0 in maps.shape or tuple(maps.shape[-2:]) != size:
        raise InputError(
            f"coil_maps is {tuple(maps.shape)} {maps.dtype}; pass complex maps (coil, {size[0]}, {size[1]}), or those "
            "of each sample, (batch, coil, ...); torch.complex(real, imaginary) makes them of two real ones."
        )
    return maps.reshape(-1, *maps.shape[-3:])


def checked_coil_maps(maps: Array, size: tuple[int, int]) -> Complex[Tensor, "sets coil height width"]:
    """A copy; `InputError` for what is not finite or zero, a warning where A may have a norm above 1."""
    maps = as_coil_maps(maps, size).clone()
    check_finite(maps, "coil_maps")
    largest = float(torch.linalg.vector_norm(maps, dim=1).max())
    if largest == 0:
        raise InputError("coil_maps holds zeros only: estimate the maps again.")
    if largest > 1.01:
        advice = "divide coil_maps by it, as step sizes and penalties are for a norm of at most 1"
        warnings.warn(f"The norm of A may be {largest:.3g}, sqrt(sum |s|^2) of the maps: {advice}.", stacklevel=3)
    return maps
