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
    """A method (model, y, physics, ...) that raises InputError for a y that is no tensor of finite numbers.

    So it does where torch refuses the types or devices of y, model and physics; what it promotes is let through.
    """

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
    numbers = {owner: [t for t in some if t.is_floating_point() and t.ndim] for owner, some in held.items()}
    kinds = {owner: sorted({(str(t.dtype), str(t.device)) for t in some}) for owner, some in numbers.items()}
    aim = (kinds["model"] if len(kinds["model"]) == 1 else kinds["y"] or [("torch.float32", str(y.device))])[0]
    odd = [owner for owner, some in kinds.items() if set(some) - {aim}]
    cure = " and ".join(f'{owner}.to("{aim[1]}", {aim[0]})' for owner in odd)
    if "16" in aim[0]:
        cure = "model.float() with y.float(), and torch.autocast around the call for half precision"
    said = "; ".join(f"{owner}: {', '.join(map(' on '.join, some))}" for owner, some in kinds.items() if some)
    return f"Types or devices do not go together ({said}). Try {cure}." if odd else ""
