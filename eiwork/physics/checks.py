"""Checks of arguments: every unusable one becomes one `InputError` that names it and says what to do."""

import math
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from eiwork.errors import InputError

Numbers = Sequence[float | int] | np.ndarray | Tensor


def check_tensor(value: object, name: str, shape: tuple[int | None, ...], layout: str) -> None:
    """Refuse (`InputError`) anything but a float32 or float64 tensor of the wanted shape; the batch may be empty.

    shape: size of every axis, None for any. layout: that in words, as "(batch, 1, 64, 64)". Values are not looked at:
    every look would wait for the device; see `check_finite`.
    """
    if not isinstance(value, Tensor):
        kind = type(value).__name__
        raise InputError(f"{name} is a {kind}; pass a torch tensor (torch.as_tensor makes one) of shape {layout}.")
    dtype = value.dtype
    if dtype.is_complex:
        raise InputError(
            f"{name} is complex ({dtype}), but this operator takes real tensors. Complex MRI images are two real "
            f"channels here: use torch.view_as_real({name}).movedim(-1, 1), or magnitude(...) for a real image."
        )
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"{name} is {dtype}; pass float32 or float64 values: convert with {name}.float(), in [0, 1].")
    sizes = value.shape
    if len(sizes) != len(shape) or any(w not in (None, s) for s, w in zip(sizes, shape, strict=True)):
        advice = "Resize or crop the data, add the missing axes, or build the operator for this size."
        if shape[1:2] == (2,) and sizes[1:2] == (1,):
            advice = f"The channels are real and imaginary part: real_to_complex({name}) makes it."
        full = (1,) * (len(shape) - len(sizes)) + tuple(sizes)
        for order in permutations(range(1, len(shape))) if len(full) == len(shape) else ():
            if all(w in (None, full[i]) for i, w in zip(order, shape[1:], strict=True)):
                advice = f"Axes look swapped or left out: {name}.reshape{full}.permute{(0, *order)} would fit."
                break
        raise InputError(f"{name} has shape {tuple(sizes)}, but this operator takes {layout}. {advice}")
    if 0 in sizes[1:]:
        raise InputError(f"{name} has shape {tuple(sizes)}, whose images hold no values; the batch alone may be empty.")


def check_finite(values: Tensor, name: str) -> None:
    """Refuse (`InputError`) NaN and infinity; it waits for the device, so it stands where data come in, not in A."""
    if not bool(torch.isfinite(values).all()):
        bad = int((~torch.isfinite(values)).sum())
        raise InputError(f"{name} holds {bad} NaN or infinite values out of {values.numel()}: are samples missing?")


def check_in_place_of(name: str, given: object, **others: object) -> None:
    """Refuse (`InputError`) options that say how to make what is given."""
    unused = [other for other, value in others.items() if value is not None]
    if given is not None and unused:
        raise InputError(f"{name} is given, so {', '.join(unused)} would do nothing: leave one out.")


def is_traced(value: Tensor) -> bool:
    """Whether the tensor's values cannot be looked at: under `torch.compile` or a `torch.func` transform."""
    return torch.compiler.is_compiling() or torch.func.debug_unwrap(value) is not value


def check_number(value: object, name: str, allowed: Callable, rule: str, *, integer: bool = False) -> None:
    """Refuse (`InputError`) what is not a finite (whole) number for which `allowed` holds; `rule`: that in words."""
    types = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    usable = isinstance(value, types) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or not allowed(value):
        raise InputError(f"{name} = {value!r} is not possible; it must be {rule}.")


def check_count(value: object, name: str, unit: str, *, least: int = 1, prefix: str = "") -> None:
    """Refuse (`InputError`) anything but a whole number from `least` up; `prefix`: what else is possible, in words."""
    check_number(value, name, lambda v: v >= least, f"{prefix}a whole number{unit} from {least} up", integer=True)


def check_cut_off(value: object) -> float:
    """The relative cut-off of a pseudo-inverse, strictly between 0 and 1; otherwise `InputError`."""
    check_number(value, "rtol", lambda v: 0 < v < 1, "between 0 and 1, both excluded")
    return float(value)  # type: ignore[arg-type]


def checked_positive(value: float | int | Tensor, name: str) -> float | Tensor:
    """A positive number as a float, or a tensor of one element without axes, NaN where it is not positive.

    To refuse such a tensor would need a look at it, and so a wait for the device in every step.
    """
    if not isinstance(value, Tensor):
        check_number(value, name, lambda v: v > 0, "a positive number")
        return float(value)
    if value.numel() != 1:
        raise InputError(f"{name} has {value.numel()} elements; pass a single number.")
    return torch.where(value > 0, value, torch.nan).reshape(())


def check_image_size(image_size: object) -> tuple[int, int]:
    """Return (height, width) from a side or a pair, each a whole number from 2 up; otherwise `InputError`."""
    pair = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(pair) != 2:
        raise InputError(f"image_size = {image_size!r}; pass one side, or (height, width).")
    for side in pair:
        check_count(side, "image_size", " of pixels", least=2)
    return int(pair[0]), int(pair[1])


def checked_angles(angles: Numbers, n: int, of: str) -> np.ndarray:
    """`n` finite angles in degrees, one for each view or spoke (`of`); otherwise `InputError`."""
    values = finite_numbers(angles, "angles")
    if values.shape != (n,):
        raise InputError(f"angles has shape {values.shape}, but n_{of}s = {n}; pass one in degrees for each {of}.")
    return values


def finite_numbers(values: Numbers, name: str) -> np.ndarray:
    """The values as a float64 array; `InputError` for NaN and infinity."""
    array = np.asarray(torch.as_tensor(values, dtype=torch.float64).cpu())
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinite values; pass finite numbers.")
    return array
