"""The door of a model: measurements are looked at once, and what torch refuses for two types or devices is advice."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from eiwork.errors import EiworkError, InputError
from eiwork.physics.checks import is_traced

Method = TypeVar("Method", bound=Callable[..., Any])


def at_the_door(method: Method) -> Method:
    """A method (model, y, physics, ...) that raises InputError for a y that is no tensor of finite numbers.

    So it does where torch refuses to mix the types or devices of y, the model and the physics; what torch promotes is
    let through.
    """

    @wraps(method)
    def checked(self: nn.Module, y: Tensor, physics: nn.Module, *args: Any, **options: Any) -> Any:
        if torch.compiler.is_compiling():
            return method(self, y, physics, *args, **options)
        if not isinstance(y, Tensor):
            raise InputError(f"y is a {type(y).__name__}; pass the measurements as a tensor, such as physics(x).")
        try:
            if not is_traced(y) and not bool(torch.isfinite(y).all()):
                raise InputError("y holds NaN or infinite values: check the measurement before reconstructing it.")
            return method(self, y, physics, *args, **options)
        except EiworkError:
            raise
        except RuntimeError as error:
            if (advice := _mixed(self, y, physics)) and re.search("type|device|meta", str(error)):
                raise InputError(f"{advice} Torch said: {str(error).splitlines()[0]}") from error
            raise

    return cast(Method, checked)


def _mixed(model: nn.Module, y: Tensor, physics: nn.Module) -> str:
    """What to do about several types or devices among y, the model and the physics; nothing to say of a single one."""
    weights = _kinds(model.parameters()) or _kinds(model.buffers())
    owners = {"y": _kinds([y]), "model": weights, "physics": _kinds([*physics.parameters(), *physics.buffers()])}
    if len(set().union(*owners.values())) < 2:
        return ""
    dtype, device = aim = next(iter(weights if len(weights) == 1 else owners["y"]), (y.dtype, y.device))
    odd = {owner for owner, kinds in owners.items() if kinds - {aim}}
    if len(odd) > 1 and all(at == device for _, at in owners["physics"]):
        odd.discard("physics")  # many operators take any type
    cures = [f'{owner}.to("{device}", {dtype})' for owner in owners if owner in odd]
    if dtype in (torch.float16, torch.bfloat16):
        cures = ["model.float() with y.float(), and torch.autocast around the call for half precision"]
    said = (
        f"{owner}: {', '.join(f'{a} on {b}' for a, b in sorted(kinds, key=str))}"
        for owner, kinds in owners.items()
        if kinds
    )
    return f"Types or devices do not go together ({'; '.join(said)}). Try {' and '.join(cures)}."


def _kinds(tensors: Any) -> set[tuple[torch.dtype, torch.device]]:
    # A number without axes takes on the type, and on a GPU the device, of what it meets.
    return {(t.dtype.to_real(), t.device) for t in tensors if t.ndim and (t.is_floating_point() or t.is_complex())}
