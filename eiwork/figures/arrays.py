"""Numbers as figures receive them (tensors, arrays, lists), checked and turned into NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from eiwork.errors import InputError

Number = int | float
Numbers = Tensor | np.ndarray | Sequence[Any]
Range = tuple[Number, Number]


def require(condition: bool | np.bool_, advice: str) -> None:
    """Raise `InputError` with this advice unless the condition holds."""
    if not condition:
        raise InputError(advice)


def to_array(values: Numbers, name: str = "values") -> np.ndarray:
    """Return `values` as a float64 array; a list of tensors is stacked. Raises `InputError` if that is impossible."""
    try:
        if isinstance(values, Tensor):
            return values.detach().cpu().numpy().astype(np.float64)
        if isinstance(values, Sequence) and any(isinstance(value, Tensor) for value in values):
            return np.stack([to_array(value, name) for value in values])
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be read as an array of numbers: {error}") from error


def to_numbers(
    values: Numbers, name: str, length: int | None = None, *, positive: bool = False, gaps: bool = False
) -> np.ndarray:
    """Return `values` as (n,) float64, n >= 1, or n = `length`; with `gaps` NaN may stand for some, not for all.

    Raises `InputError` for another shape, values that are not finite, and, if `positive`, values <= 0.
    """
    array = to_array(values, name)
    wanted = "at least one number" if length is None else f"{length} numbers"
    fits = array.ndim == 1 and array.size > 0 and length in (None, array.size)
    require(fits, f"{name} has shape {array.shape}; give a list of {wanted}.")
    finite = np.isfinite(array)
    require(finite.any(), f"{name} holds no finite value, so there is nothing to draw.")
    require(gaps or finite.all(), f"{name} holds NaN or infinite values; check the step that produced it.")
    told = f"{name} holds values <= 0, which a logarithmic axis cannot show."
    require(not positive or (array[finite] > 0).all(), told)
    return array


def to_picture(image: Numbers, name: str = "image") -> np.ndarray:
    """Return one image as (height, width), or (height, width, 3) for colour.

    Accepts (height, width), (channel, height, width) and (1, channel, height, width) with 1 channel (grey), 2 (real
    and imaginary part: the magnitude is shown) or 3 (colour). Raises `InputError` for others and for NaN.
    """
    array = to_array(image, name)
    told = f"{name} has shape {array.shape}, which is not one image: give (height, width) or (channel, height, width) "
    told += "with 1, 2 or 3 channels; take one sample of a batch with x[i]."
    array = array[0] if array.ndim == 4 and len(array) == 1 else array[None] if array.ndim == 2 else array
    require(array.ndim == 3 and array.shape[0] in (1, 2, 3) and array.size > 0, told)
    require(np.isfinite(array).all(), f"{name} holds NaN or infinite values; check the step that produced it.")
    if len(array) == 2:
        return np.hypot(array[0], array[1])
    return array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)


def checked_range(value_range: Range, name: str = "value_range") -> Range:
    """Return (black, white) as it is; raises `InputError` unless white exceeds black."""
    require(value_range[1] > value_range[0], f"{name} is {value_range}: its second value must exceed its first.")
    return value_range
