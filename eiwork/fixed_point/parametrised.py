"""Parametrised weights (spectral normalisation, orthogonality, ...) evaluated once for a whole fixed point."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from torch import nn
from torch.nn.utils import parametrize


@contextmanager
def weights_evaluated_once(f: Callable) -> Iterator[None]:
    """Keep the weights that `torch.nn.utils.parametrize` computes for the modules of f while the block lasts.

    Every evaluation of f, with and without gradients, then sees the same weights, attached to the graph of their
    originals if gradients are enabled here. Without this, spectral normalisation in training mode would change the map
    at every evaluation, and cost a power iteration each time. Nothing changes for the older hooks of
    `torch.nn.utils.spectral_norm`.
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
            held += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or () if _filled(cell)]
            pending += [item for item in held if isinstance(item, nn.Module) or callable(item)]
    return found


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
