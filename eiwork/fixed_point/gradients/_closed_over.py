"""f as a function of its state and of the tensors that it closes over."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from eiwork.errors import InputError
from eiwork.fixed_point.capture import Capture, unseen
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
        with _Capture([z]) as capture:
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
            with _Substitute(self._originals, aliases):
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


class _Capture(Capture):
    """Tells which tensors it has put aliases in the place of, too."""

    @property
    def originals(self) -> list[Tensor]:
        """One for each alias."""
        return self._held[len(self._held) - len(self.aliases) :]


class _Substitute(TorchFunctionMode):
    """Puts an alias in the place of each original."""

    def __init__(self, originals: Sequence[Tensor], aliases: Sequence[Tensor]) -> None:
        super().__init__()
        self._alias_of = {id(old): new for old, new in zip(originals, aliases, strict=True)}

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func` on aliases."""
        args, kwargs = tree_map_only(
            Tensor, lambda t: self._alias_of.get(id(t), t), (tuple(args), kwargs or {})
        )
        return func(*args, **kwargs)


def _autocast_of(z: Tensor) -> Callable[[], AbstractContextManager]:
    """The autocast state of now, for evaluations in the backward pass, where autograd has left it."""
    kind = z.device.type
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    return lambda: torch.autocast(kind, dtype=dtype, enabled=enabled)
