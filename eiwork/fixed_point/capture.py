"""The tensors that a function closes over, found by watching one evaluation."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from eiwork.errors import InputError


def refuse_transforms() -> None:
    """InputError inside a `torch.func` transform, where only the finite iteration of `Unrolled` has derivatives."""
    try:
        # A request that torch refuses inside a transform, and nowhere else.
        torch.zeros(()).requires_grad_()
    except RuntimeError:
        raise InputError(
            "A fixed point cannot be solved inside a torch.func transform (grad, vjp, jvp, jacrev, vmap, ...). Use "
            "torch.autograd, which reaches every order: torch.autograd.grad(..., create_graph=True) or "
            "torch.autograd.functional.jacobian. Fold a mapped axis into the batch: its samples are independent. "
            "(gradient=Unrolled(steps), a finite iteration, has torch.func's grad, vjp and jacrev.)"
        ) from None


def is_wrapped(tensor: Tensor) -> bool:
    """Whether a tensor belongs to a `torch.func` transform; not asked while torch compiles."""
    return not torch.compiler.is_compiling() and torch.func.debug_unwrap(tensor) is not tensor


class Substitute(TorchFunctionMode):
    """Puts given tensors in the place of others; compiled functions must not run under it, which compiles them anew."""

    def __init__(self, originals: Sequence[Tensor], given: Sequence[Tensor]) -> None:
        super().__init__()
        self._given = {id(old): new for old, new in zip(originals, given, strict=True)}

    def seen(self, tensor: Tensor) -> Tensor:
        """What takes the place of a tensor."""
        return self._given.get(id(tensor), tensor)

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func` on what takes the place of its arguments."""
        args, kwargs = tree_map_only(Tensor, self.seen, (tuple(args), kwargs or {}))
        return func(*args, **kwargs)


class Capture(Substitute):
    """Watches `outputs = f(state)` and puts an alias in the place of each differentiable tensor from outside.

    originals: those tensors, leaves or computed before this object was made. attached: the same, still attached to
    their graphs. aliases: what f has seen instead, in which the graph of `outputs` ends, so that derivatives by them
    are partial even where one was computed from another. Direct arguments of a custom `autograd.Function` are out of
    sight; `unseen` finds them.
    """

    def __init__(self, state: Sequence[Tensor]) -> None:
        # The state is no closed-over tensor. All are held so that their ids stay their own.
        super().__init__(state, state)
        self._state = state
        self.originals, self.attached, self.aliases = list[Tensor](), list[Tensor](), list[Tensor]()
        # Autograd numbers its nodes in order. An enclosing watch must not take the probe for a tensor of f.
        with torch._C.DisableTorchFunction(), torch.enable_grad():  # noqa: SLF001
            node: Any = torch.zeros((), requires_grad=True).clone().grad_fn
        self._start = node._sequence_nr()  # noqa: SLF001

    def seen(self, tensor: Tensor) -> Tensor:
        """An alias of what comes from outside."""
        # An enclosing watch would answer for its own alias: look at the tensor itself.
        with torch._C.DisableTorchFunction():  # noqa: SLF001
            if not tensor.requires_grad or not torch.is_grad_enabled():
                return tensor
            if (known := self._given.get(id(tensor))) is not None:
                return known
            node = tensor.grad_fn
        if node is not None and node._sequence_nr() >= self._start:  # noqa: SLF001
            return tensor
        self.originals.append(tensor)
        self.attached.append(attached := tensor.view_as(tensor))
        self.aliases.append(alias := attached.view_as(attached))
        self._given[id(tensor)] = self._given[id(alias)] = alias
        return alias


def unseen(outputs: Iterable[Tensor], stops: Iterable[Tensor]) -> bool:
    """Whether the graph of `outputs` reaches a leaf past `stops` and past the states of inner fixed points."""
    outputs, known = list(outputs), {tensor.grad_fn for tensor in stops}
    if any(tensor.is_leaf and tensor.requires_grad for tensor in outputs):
        return True
    pending = [tensor.grad_fn for tensor in outputs if tensor.grad_fn is not None]
    seen = set(pending)
    while pending:
        node = pending.pop()
        if node in known or node.name() == "_CutBackward":
            continue
        if hasattr(node, "variable"):
            return True
        new = {after for after, _ in node.next_functions if after is not None} - seen
        seen |= new
        pending += new
    return False
