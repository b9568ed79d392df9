"""f as a function of its state and of the tensors that it closes over."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.capture import Capture, Substitute, unseen
from eiwork.fixed_point.node import Cut
from eiwork.fixed_point.state import Flat, FlatMap


class ClosedOver:
    """The differentiable tensors behind a map on flat states, found at one evaluation, and its partial derivatives.

    value: (batch, n) f(z) of that evaluation. attached: the closed-over tensors, attached to the graphs behind them.
    """

    def __init__(self, f: FlatMap, z: Flat, mode: str) -> None:
        self.f, self.mode = f, mode
        self._autocast = _autocast_of(z)
        z = Cut.apply(z.detach().requires_grad_())
        with Capture([z]) as capture:
            outputs = f(z)
        self.attached = tuple(capture.attached)
        self._originals = capture.originals
        self._refuse_unseen(outputs, (z, *capture.aliases))
        self.value = outputs.detach()

    def pull(self, z: Flat, values: Sequence[Tensor]) -> tuple[Flat, Callable[[Flat], tuple[Tensor, ...]]]:
        """f(z) and w -> (w^T df/dz, w^T df/dp for each closed-over p), with `values` in the place of those."""
        with torch.enable_grad(), self._autocast():
            z = Cut.apply(z.detach().requires_grad_())
            aliases = [Cut.apply(value.detach().requires_grad_()) for value in values]
            with Substitute(self._originals, aliases):
                outputs = self.f(z)
        self._refuse_unseen(outputs, (z, *aliases))

        def back(w: Flat) -> tuple[Tensor, ...]:
            if not outputs.requires_grad:
                return tuple(torch.zeros_like(t) for t in (z, *aliases))
            return torch.autograd.grad(outputs, (z, *aliases), w, allow_unused=True, materialize_grads=True)

        return outputs.detach(), back

    def _refuse_unseen(self, outputs: Tensor, stops: Sequence[Tensor]) -> None:
        if unseen((outputs,), stops):
            raise InputError(
                f"{self.mode} cannot follow a tensor that needs gradients and that f uses only as a direct argument of "
                "a custom autograd.Function, or only at some evaluations. Pass it through an ordinary operation "
                "first, for example x * 1.0 inside f, or use gradient=Unrolled(steps)."
            )


def _autocast_of(z: Tensor) -> Callable[[], AbstractContextManager]:
    """The autocast state of now, for evaluations in the backward pass, where autograd has left it."""
    kind = z.device.type
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    return lambda: torch.autocast(kind, dtype=dtype, enabled=enabled)
