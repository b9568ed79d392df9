"""A function with explicit parameters, made from one that closes over them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

from eiwork.errors import InputError
from eiwork.fixed_point.capture import Substitute, is_wrapped
from eiwork.fixed_point.state import State, as_tuple


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


class _Watch(TorchFunctionMode):
    """Notes the tensors from outside that an evaluation uses: those that need gradients or belong to a transform."""

    def __init__(self, own: Sequence[Tensor]) -> None:
        super().__init__()
        self.found: dict[int, Tensor] = {}
        # Results are held while the evaluation lasts, so that no id is used twice.
        self._inside: dict[int, Tensor] = {id(t): t for t in own}

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # An enclosing watch must not answer for the tensors of this one.
        with torch._C.DisableTorchFunction():  # noqa: SLF001
            for leaf in tree_flatten((args, kwargs))[0]:
                outside = isinstance(leaf, Tensor) and id(leaf) not in self._inside
                if outside and (leaf.requires_grad or is_wrapped(leaf)):
                    self.found.setdefault(id(leaf), leaf)
        result = func(*args, **(kwargs or {}))
        self._inside |= {id(leaf): leaf for leaf in tree_flatten(result)[0] if isinstance(leaf, Tensor)}
        return result


class _Holder(nn.Module):
    """Makes the modules of a closure the children of one module, whose tensors can then be swapped together."""

    def __init__(self, f: Callable, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.f = f if not isinstance(f, nn.Module) else None
        self.held = nn.ModuleList(modules)
        self.is_module = isinstance(f, nn.Module)

    def forward(self, z: State) -> State:
        return self.held[0](z) if self.is_module else self.f(z)  # type: ignore[misc]


class ClosureFree:
    """f(z) with all that it closes over as explicit arguments: `closed(z, parameters)`.

    parameters: the tensors found at the first evaluation, in order. The tensors of modules are remembered, too, so
    that a module called through `torch.func.functional_call` means the same later on.
    """

    def __init__(self, f: Callable[[State], State], z: State) -> None:
        modules = modules_of(f)
        self._call = _Holder(f, modules)
        self._tensors = dict((*self._call.named_parameters(), *self._call.named_buffers()))
        with _Watch(as_tuple(z)) as watch:
            f(z)
        self.parameters = tuple(watch.found.values())

    def __call__(self, z: State, parameters: Sequence[Tensor]) -> State:
        """f(z) with `parameters` in place of the tensors found; InputError where that cannot be done."""
        with Substitute(self.parameters, parameters) as substitute, self._swapped():
            outputs = self._call(z)
        if not substitute.complete:
            raise InputError(
                "Under a torch.func transform f used other tensors than at its first evaluation, so its derivatives "
                "would be wrong. Let f close over the module and tensors it uses (a lambda or method that holds "
                "them), not over global names that functional_call changes."
            )
        return outputs

    @contextmanager
    def _swapped(self) -> Iterator[None]:
        with torch.nn.utils.stateless._reparametrize_module(self._call, self._tensors):  # noqa: SLF001
            yield
