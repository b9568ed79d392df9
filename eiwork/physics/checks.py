"""Checks of arguments: every unusable one becomes one `InputError` that names it and says what to do."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from eiwork.errors import InputError

_DTYPES = (torch.float32, torch.float64)


def check_tensor(value: object, name: str, shape: tuple[int | None, ...], layout: str) -> None:
    """Refuse anything but a finite float32 or float64 tensor of the wanted shape.

    The value check (NaN, Inf) is left out where it would break tracing: under `torch.compile` and inside
    `torch.func` transforms.

    Args:
        value: what the caller passed.
        name: the argument's name, for the message.
        shape: wanted size of every axis; None means any size from 1 up.
        layout: the wanted shape in words, for the message, such as "(batch, channel, 64, 64)".

    Raises:
        InputError: wrong type, dtype, shape, no elements, or values that are NaN or infinite.
    """
    if not isinstance(value, Tensor):
        raise InputError(f"{name} is a {type(value).__name__}; pass a torch tensor of shape {layout}.")
    if value.dtype not in _DTYPES:
        raise InputError(_dtype_advice(value.dtype, name))
    sizes = value.shape
    if len(sizes) != len(shape) or any(w is not None and w != s for s, w in zip(sizes, shape, strict=True)):
        raise InputError(
            f"{name} has shape {tuple(sizes)}, but this operator takes {layout}. Resize or crop the data, add the "
            "missing axes, or build the operator for this size."
        )
    if value.numel() == 0:
        raise InputError(f"{name} has shape {tuple(sizes)}, which holds no values; pass at least one image.")
    if is_traced(value):
        return
    # A finite sum proves finite values in one pass; only an overflowing one needs the slower look.
    if not math.isfinite(value.detach().sum().item()) and not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise InputError(
            f"{name} holds {bad} NaN or infinite values out of {value.numel()}. Check the data for missing pixels "
            "and the training for a diverging step (lower the learning rate or clip the gradient)."
        )


def is_traced(value: Tensor) -> bool:
    """Whether the tensor's values cannot be looked at: under `torch.compile` or a `torch.func` transform."""
    return torch.compiler.is_compiling() or torch.func.debug_unwrap(value) is not value


def _dtype_advice(dtype: torch.dtype, name: str) -> str:
    if dtype.is_complex:
        return (
            f"{name} is complex ({dtype}), but this operator takes real tensors. Complex MRI images are two real "
            "channels here: use torch.view_as_real(x).movedim(-1, 1), or magnitude(...) for a real image."
        )
    if dtype.is_floating_point:
        return f"{name} is {dtype}; operators compute in float32 or float64: convert it with {name}.float()."
    return f"{name} is {dtype}; pass float32 or float64 values, for example {name}.float() scaled to [0, 1]."


def check_number(
    value: object, name: str, allowed: Callable[[float], bool], rule: str, *, integer: bool = False
) -> None:
    """Refuse a number outside its range.

    Args:
        value: what the caller passed.
        name: the argument's name.
        allowed: whether a finite number is in range.
        rule: the range in words, such as "a whole number from 1 up".
        integer: whether only whole numbers will do.

    Raises:
        InputError: not a number, not finite, or out of range.
    """
    types = (int,) if integer else (int, float)
    usable = isinstance(value, types) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or not allowed(value):  # type: ignore[arg-type]
        raise InputError(f"{name} = {value!r} is not possible; it must be {rule}.")


def checked_positive(value: float | int | Tensor, name: str) -> float | Tensor:
    """A positive number as a float, or a tensor of one positive element without axes.

    The sign of a tensor is not looked at where that would break tracing (see `check_tensor`).

    Raises:
        InputError: several elements, not finite, or not positive.
    """
    if not isinstance(value, Tensor):
        check_number(value, name, lambda v: v > 0, "a positive number")
        return float(value)
    if value.numel() != 1:
        raise InputError(f"{name} has {value.numel()} elements; pass a single number.")
    if not is_traced(value):
        check_number(value.item(), name, lambda v: v > 0, "a positive number")
    return value.reshape(())


def check_noise(sigma: object) -> None:
    """Refuse a noise level that is negative or not a number (`InputError`)."""
    check_number(sigma, "noise_sigma", lambda v: v >= 0, "a standard deviation, zero or positive")


def check_image_size(image_size: object) -> tuple[int, int]:
    """Return (height, width) from a side or a pair, each a whole number from 2 up; otherwise `InputError`."""
    pair = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    if len(pair) != 2:
        raise InputError(f"image_size = {image_size!r}; pass one side, or (height, width).")
    for side in pair:
        check_number(side, "image_size", lambda v: v >= 2, "a whole number of pixels from 2 up", integer=True)
    return int(pair[0]), int(pair[1])
