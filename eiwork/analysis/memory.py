"""How much memory autograd keeps for a backward pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def saved_bytes(function: Callable[[], Any]) -> int:
    """Bytes of the distinct storages that autograd saves while `function` runs (parameters included).

    Counted through saved-tensor hooks: exact and repeatable, unlike the resident memory of the process. What a custom
    function keeps outside `save_for_backward` is not seen.
    """
    sizes: dict[int, int] = {}
    kept: list[Any] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        kept.append(storage)  # an address must not be reused by a later tensor while we count
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = function()
    del result
    return sum(sizes.values())
