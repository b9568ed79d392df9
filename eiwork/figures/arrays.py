"""Numbers as figures receive them (tensors, arrays, lists) turned into NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from eiwork.errors import InputError

Number = int | float
Numbers = Tensor | np.ndarray | Sequence[Any]


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


def to_picture(image: Numbers, name: str = "image") -> np.ndarray:
    """Return one image as (height, width), or (height, width, 3) for colour.

    Accepts (height, width), (channel, height, width) and (1, channel, height, width) with 1 channel (grey),
    2 channels (real and imaginary part: the magnitude is shown) or 3 channels (colour). Raises `InputError`
    for any other shape and for values that are not finite.
    """
    array = to_array(image, name)
    shape = array.shape
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] not in (1, 2, 3) or array.size == 0:
        raise InputError(
            f"{name} has shape {tuple(shape)}, which is not one image: give (height, width) or "
            "(channel, height, width) with 1, 2 or 3 channels; take one sample of a batch with x[i]."
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinite values; check the step that produced it.")
    if array.shape[0] == 2:
        return np.hypot(array[0], array[1])
    return array[0] if array.shape[0] == 1 else np.moveaxis(array, 0, -1)
