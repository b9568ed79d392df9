"""The door of a model: measurements are looked at once, and what torch refuses for two types or devices is advice."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from eiwork.errors import EiworkError, InputError
from eiwork.fixed_point.calling import not_compiled
from eiwork.physics.checks import is_traced

Method = TypeVar("Method", bound=Callable)


def at_the_door(method: Method) -> Method:
    """A method (model, y, physics, ...) with InputError for a y that is not finite, and for what torch cannot mix."""

    @wraps(method)
    def checked(self: nn.Module, y: Any, physics: nn.Module, *args: Any, **options: Any) -> Any:
        if not isinstance(y, Tensor):
            raise InputError(f"y is a {type(y).__name__}; pass the measurements as a tensor, such as physics(x).")
        try:
            if not is_traced(y) and not bool(torch.isfinite(y).all()):
                raise InputError("y holds NaN or infinite values: check the measurement before reconstructing it.")
            return method(self, y, physics, *args, **options)
        except RuntimeError as error:
            advice = "" if isinstance(error, EiworkError) else _advice(self, y, physics)
            if not advice or not re.search("type|device|meta", str(error)):
                raise
            raise InputError(f"{advice} Torch said: {str(error).splitlines()[0]}") from error

    return cast(Method, not_compiled(checked))


def _advice(model: nn.Module, y: Tensor, physics: nn.Module) -> str:
    """What to do about several types or devices; nothing to say of a single one. A lone number adapts to the others."""
    held = {"y": [y]} | {k: [*m.parameters(), *m.buffers()] for k, m in (("model", model), ("physics", physics))}
    pairs = {
        k: {(str(t.device), str(t.dtype)) for t in some if t.ndim and t.is_floating_point()} for k, some in held.items()
    }
    aim = next(iter(pairs["model"] if len(pairs["model"]) == 1 else pairs["y"]), (str(y.device), "torch.float32"))
    cure = " and ".join(f'{k}.to("{aim[0]}", {aim[1]})' for k, some in pairs.items() if some - {aim})
    if "16" in aim[1]:
        cure = "model.float() with y.float(), and torch.autocast around the call for half precision"
    said = "; ".join(f"{k}: {', '.join(sorted(f'{b} on {a}' for a, b in some))}" for k, some in pairs.items())
    return f"Types or devices do not go together ({said}). Try {cure}." if cure else ""
