"""How a solve calls f: on a copy of the state, under the caller's autocast; the solver itself knows none."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from eiwork.fixed_point.state import Packing, State, StateMap, as_tuple

UNCOMPILED = (
    "A solve stops when its samples have converged, which no graph can hold: it runs between two graphs. Leave "
    "fullgraph=True out, or compile what is iterated: DEQ(ProximalGradient(torch.compile(denoiser)))."
)


@dataclass(frozen=True)
class Called:
    """f as a solve calls it: on a copy of z, which f may overwrite, and under autocast to a type, if one is given."""

    f: StateMap
    kind: str
    autocast: torch.dtype | None

    def __call__(self, z: State) -> State:
        """One evaluation."""
        copy = tuple(part.clone() for part in as_tuple(z))
        with nullcontext() if self.autocast is None else torch.autocast(self.kind, self.autocast):
            return self.f(copy[0] if isinstance(z, Tensor) else copy)

    def select(self, indices: Tensor) -> "Called | None":
        """The map of the given samples, where f offers it."""
        chosen = getattr(self.f, "select", lambda _: None)(indices)
        return None if chosen is None else replace(self, f=chosen)

    @property
    def eps(self) -> float:
        """The relative rounding of autocast, 0 without one."""
        return 0.0 if self.autocast is None else torch.finfo(self.autocast).eps


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
    found: list[nn.Module] = []
    pending, seen = [f], set()
    while pending:
        thing: Any = pending.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, nn.Module):
            found.append(thing)
        elif isinstance(thing, partial):
            pending += [thing.func, *thing.args, *thing.keywords.values()]
        elif callable(thing):
            held = [getattr(thing, "__self__", None), getattr(thing, "__wrapped__", None)]
            held += [] if isinstance(thing, type) else list(getattr(thing, "__dict__", {}).values())
            for cell in getattr(thing, "__closure__", None) or ():
                with suppress(ValueError):  # a cell that is still empty
                    held.append(cell.cell_contents)
            pending += [item for item in held if isinstance(item, nn.Module) or callable(item)]
    return found
