"""How a solve calls f: on a copy of the state, under the caller's autocast; the solver itself knows none."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from eiwork.fixed_point.record import Method
from eiwork.fixed_point.state import Packing, State, StateMap, as_tuple

Solver = TypeVar("Solver", bound=Method)
Function = TypeVar("Function", bound=Callable)


def not_compiled(function: Function) -> Function:
    """A function that torch.compile leaves as it is, between two graphs; with fullgraph=True it says why it fails."""
    why = "Samples converge when they do, which no graph can hold. Leave fullgraph=True out, or compile the denoiser."
    return torch.compiler.disable(function, reason=why)


@dataclass(frozen=True)
class Called:
    """f as a solve calls it: on a copy of z, which f may overwrite, and under autocast to a type, if one is given."""

    f: StateMap
    kind: str
    autocast: torch.dtype | None

    def __call__(self, z: State) -> Any:
        """One evaluation, not looked at."""
        own = tuple(part.clone() for part in as_tuple(z))
        with nullcontext() if self.autocast is None else torch.autocast(self.kind, self.autocast):
            return self.f(own[0] if isinstance(z, Tensor) else own)

    def select(self, indices: Tensor) -> "Called | None":
        """The map of the given samples, where f offers it."""
        chosen = getattr(self.f, "select", lambda _: None)(indices)
        return None if chosen is None else replace(self, f=chosen)


@contextmanager
def calling(f: StateMap, z0: State) -> Iterator[Called]:
    """f as a solve calls it: the weights of its modules computed once, and autocast only inside of it."""
    kind = Packing.of(z0).device.type
    called = Called(f, kind, torch.get_autocast_dtype(kind) if _autocasts(kind) else None)
    with weights_evaluated_once(f), without_autocast(kind):
        yield called


def without_autocast(kind: str) -> AbstractContextManager:
    """Where operations on this kind of device keep the types of their arguments."""
    return torch.autocast(kind, enabled=False) if _autocasts(kind) else nullcontext()


def aware(solver: Solver, f: StateMap) -> Solver:
    """The solver, or where f is evaluated under autocast a copy of it that knows the rounding of that type."""
    if (dtype := getattr(f, "autocast", None)) is not None:
        object.__setattr__(solver := copy(solver), "rounding", torch.finfo(dtype).eps)
    return solver


def _autocasts(kind: str) -> bool:
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


@contextmanager
def weights_evaluated_once(f: Callable) -> Iterator[None]:
    """Keep the weights that `torch.nn.utils.parametrize` computes for the modules of f, with their graph, in the block.

    Spectral normalisation in training mode would else change the map at every evaluation; the older hooks of
    `torch.nn.utils.spectral_norm` still do.
    """
    parametrised = [part for module in modules_of(f) for part in module.modules() if parametrize.is_parametrized(part)]
    if not parametrised:
        yield
        return
    with parametrize.cached():
        for part in parametrised:
            for name in cast(nn.ModuleDict, part.parametrizations):
                getattr(part, name)
        yield


def modules_of(f: Callable) -> list[nn.Module]:
    """The modules that a callable holds: itself, its object, its closure, its partial arguments, one inside another."""
    found, pending, seen = list[nn.Module](), list[Any]([f]), set()
    while pending:
        thing = pending.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, nn.Module):
            found.append(thing)
        elif callable(thing) and not isinstance(thing, type):
            pending += [getattr(thing, name, None) for name in ("__self__", "func")]
            pending += [*getattr(thing, "args", ()), *(getattr(thing, "keywords", None) or {}).values()]
            pending += vars(thing).values() if hasattr(thing, "__dict__") else ()  # __wrapped__ is here, too
            for cell in getattr(thing, "__closure__", None) or ():
                with suppress(ValueError):  # a cell that is still empty
                    pending.append(cell.cell_contents)
    return found
