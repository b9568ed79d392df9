"""What autograd still keeps when a forward pass is over, without the graphs that were thrown away on the way."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _Saved:
    """A saved tensor; it lives as long as the graph that saved it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()  # an operation that saves its own output must not keep itself alive


def kept_bytes(function: Callable[[], Any]) -> int:
    """Bytes of the distinct storages in the graph of what `function` returns (parameters included).

    `eiwork.analysis.saved_bytes` counts everything that was ever saved: a tracked evaluation that is made again, which
    depends on how a solve ended, counts twice there, though its first graph is freed at once.
    """
    alive: weakref.WeakSet[_Saved] = weakref.WeakSet()

    def pack(tensor: Tensor) -> _Saved:
        saved = _Saved(tensor)
        alive.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        result = function()
    storages = {saved.tensor.untyped_storage().data_ptr(): saved.tensor.untyped_storage().nbytes() for saved in alive}
    del result  # until here the result holds its graph
    return sum(storages.values())
