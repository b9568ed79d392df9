"""Parametrised weights (spectral normalisation, orthogonality, ...) evaluated once for a whole fixed point."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from torch import nn
from torch.nn.utils import parametrize

from eiwork.fixed_point.capture import transforms_active
from eiwork.fixed_point.closure import modules_of


@contextmanager
def weights_evaluated_once(f: Callable) -> Iterator[None]:
    """Keep the weights that `torch.nn.utils.parametrize` computes for the modules of f while the block lasts.

    Every evaluation of f, with and without gradients, then sees the same weights, attached to the graph of their
    originals if gradients are enabled here. Without this, spectral normalisation in training mode would change the map
    at every evaluation, and cost a power iteration each time. Nothing changes under torch.func transforms, nor for the
    older hooks of `torch.nn.utils.spectral_norm`.
    """
    parametrised = (
        []
        if transforms_active()
        else [part for module in modules_of(f) for part in module.modules() if parametrize.is_parametrized(part)]
    )
    if not parametrised:
        yield
        return
    with parametrize.cached():
        for part in parametrised:
            for name in cast(nn.ModuleDict, part.parametrizations):
                getattr(part, name)
        yield
