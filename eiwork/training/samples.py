"""The measurements that a training sees, from tensors or from a data set that need not fit into memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from eiwork.errors import InputError

_ADVICE = (
    'a data set yields dictionaries {"y": ...} with "x" and "params" (of the physics) where there are any, or, as '
    "deepinv's do, tuples (x, y) or (x, y, params)"
)


@dataclass(frozen=True)
class Batch:
    """Measurements y (batch, ...), the images x that made them or None, and parameters of the physics by name."""

    y: Tensor
    x: Tensor | None
    params: dict[str, Tensor]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        params = {name: value.to(device) for name, value in self.params.items()}
        return Batch(self.y.to(device), None if self.x is None else self.x.to(device), params)


class Samples:
    """n measurements with their images where there are any, read by index.

    y: a tensor (n, ...), or a torch Dataset with a length: dictionaries {"y", "x", "params"}, or deepinv's tuples (x,
    y) and (x, y, params). x: a tensor (n, ...) beside a tensor y, or None. name: of the argument, for errors. Raises
    InputError for anything else, no sample, lengths that differ and values that are not finite.
    """

    def __init__(self, y: Tensor | Dataset, x: Tensor | None = None, name: str = "y") -> None:
        self.name, self._y, self._x = name, y, x
        if isinstance(y, Tensor):
            self._check_tensors(y, x)
        elif not (hasattr(y, "__getitem__") and hasattr(y, "__len__")) or isinstance(y, str | Mapping):
            raise InputError(
                f"{name} is a {type(y).__name__}: pass a tensor (n, ...), as physics.A gives it, or a torch Dataset "
                f"with a length; {_ADVICE}."
            )
        elif x is not None:
            raise InputError(f"{name} is a data set and x is given, too: a data set holds its own x; {_ADVICE}.")
        if len(self) == 0:
            raise InputError(f"{name} holds no sample: there is nothing to train on or to measure.")
        self.has_x = self._has_x()

    def __len__(self) -> int:
        return len(self._y)  # type: ignore[arg-type]

    def batch(self, indices: Tensor) -> Batch:
        """The samples of the given indices. Raises InputError where a data set yields something else, or NaN."""
        if isinstance(self._y, Tensor):
            own = indices.to(self._y.device)
            return Batch(self._y[own], None if self._x is None else self._x[own.to(self._x.device)], {})
        items = [self._item(int(i)) for i in indices]
        try:
            merged = default_collate(items)
        except (RuntimeError, TypeError, KeyError) as error:
            raise InputError(f"Samples of {self.name} do not make a batch ({error}): all need one shape.") from None
        for part in ("y", "x"):
            if part in merged:
                _check_finite(merged[part], f"{self.name} at {indices.tolist()} ({part})")
        return Batch(merged["y"], merged.get("x"), merged.get("params", {}))

    def digest(self) -> str:
        """SHA-256 that tells these samples from others: of tensors whole, of a data set by its length and both ends."""
        found = hashlib.sha256(str(len(self)).encode())
        parts = (self._y, self._x) if isinstance(self._y, Tensor) else ()
        ends = [self.batch(torch.tensor([i])) for i in (0, len(self) - 1)] if not parts else []
        for tensor in (*parts, *(t for end in ends for t in (end.y, end.x))):
            if tensor is not None:
                found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    def _has_x(self) -> bool:
        return self._x is not None if isinstance(self._y, Tensor) else "x" in self._item(0)

    def _item(self, index: int) -> dict[str, Any]:
        item: Any = self._y[index]
        if isinstance(item, tuple | list) and len(item) in (2, 3):
            names = ("x", "y", "params")
            item = dict(zip(names, item, strict=False))
            # deepinv says NaN where there is no image.
            if isinstance(item["x"], float) or (isinstance(item["x"], Tensor) and item["x"].numel() == 1):
                del item["x"]
        elif isinstance(item, Tensor):
            item = {"y": item}
        wrong = not isinstance(item, Mapping) or not isinstance(item.get("y"), Tensor)
        if wrong or not isinstance(item.get("x", item["y"]), Tensor):
            raise InputError(f"{self.name}[{index}] is {_described(item)}: {_ADVICE}; all are tensors.")
        return {key: item[key] for key in ("y", "x", "params") if item.get(key) is not None}

    def _check_tensors(self, y: Tensor, x: Tensor | None) -> None:
        if y.ndim < 2 or not (y.is_floating_point() or y.is_complex()):
            raise InputError(
                f"{self.name} has shape {tuple(y.shape)} and type {y.dtype}: it needs floating-point measurements "
                "(n, ...), the samples first, as physics.A gives them."
            )
        _check_finite(y, self.name)
        if x is None:
            return
        if not isinstance(x, Tensor) or len(x) != len(y):
            n = len(x) if hasattr(x, "__len__") else "no"
            raise InputError(f"{len(y)} measurements and {n} images: y and x must be of the same samples, in order.")
        _check_finite(x, "x")


def _check_finite(values: Tensor, name: str) -> None:
    bad = ~torch.isfinite(values).flatten(1).all(dim=1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        raise InputError(
            f"{name} holds NaN or infinite values, the first in sample {first} of {len(values)}: leave such samples "
            "out, or find out what made them."
        )


def _described(item: Any) -> str:
    if isinstance(item, Mapping):
        return f"a dictionary of {', '.join(map(str, item)) or 'nothing'}"
    return f"a {type(item).__name__}" + (f" of {len(item)}" if isinstance(item, tuple | list) else "")


def check_fits(batch: Batch, physics: LinearPhysics, name: str = "y") -> None:
    """Raise InputError unless the measurements (and images, where there are any) are ones of this physics."""
    try:
        with torch.no_grad():
            image = physics.A_adjoint(batch.y, **batch.params) if batch.x is None else batch.x
            expected = physics.A(image, **batch.params)
    except (RuntimeError, ValueError, TypeError) as error:
        shapes = f"{name} {tuple(batch.y.shape)}" + ("" if batch.x is None else f", x {tuple(batch.x.shape)}")
        raise InputError(
            f"{type(physics).__name__} cannot take these samples ({shapes}; {str(error).splitlines()[0]}): check that "
            "the measurements were made by this physics, and the order of their axes."
        ) from None
    if getattr(expected, "shape", None) != batch.y.shape:
        raise InputError(
            f"{name} has samples of shape {tuple(batch.y.shape[1:])}, and {type(physics).__name__} measures "
            f"{tuple(expected.shape[1:])}: check that they belong together, and the order of the axes."
        )
    if expected.dtype != batch.y.dtype:
        raise InputError(
            f"{name} is {batch.y.dtype}, and {type(physics).__name__} gives {expected.dtype}: convert one."
        )
