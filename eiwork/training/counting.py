"""Counting the evaluations of F that a gradient passes through."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Tracked:
    """How many there were."""

    count: int = 0


@contextmanager
def count_tracked(model: nn.Module) -> Iterator[Tracked]:
    """Count the evaluations of `model.iterate` with gradients on; none for a model without an iteration.

    A DEQ has one a call (Phantom: its steps), an unrolled network all of them; each costs a vector-Jacobian product in
    the backward pass.
    """
    tracked = Tracked()
    iterate = getattr(model, "iterate", None)
    if not isinstance(iterate, nn.Module):
        yield tracked
        return

    def count(*_: object) -> None:
        tracked.count += torch.is_grad_enabled()

    handle = iterate.register_forward_pre_hook(count)
    try:
        yield tracked
    finally:
        handle.remove()


def total_nfe(entry: dict[str, float]) -> float:
    """All evaluations of F and of its vector-Jacobian product up to a history entry: the budget of a training.

    forward + adjoint + 2 tracked: a tracked evaluation costs one more product.
    """
    return entry.get("total_forward", 0.0) + entry.get("total_adjoint", 0.0) + 2 * entry.get("total_tracked", 0.0)
