"""First-order backward rules: what the approximate gradient modes do with dL/dz, and what they refuse."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.capture import transforms_active
from eiwork.fixed_point.node import Cut, Evaluation
from eiwork.fixed_point.state import Flat, FlatMap, Packing, State, as_tuple

Gradients = tuple[Tensor, ...]


def refuse_transforms(mode: str) -> None:
    """InputError inside a torch.func transform, where only Implicit() has derivatives."""
    if transforms_active():
        raise InputError(
            f"{mode} has no derivatives under torch.func transforms (vjp, jvp, jacrev, vmap, ...): use "
            "gradient=Implicit(), which has them, or torch.autograd outside the transform."
        )


def refuse_second_derivative(mode: str) -> None:
    """InputError in a backward pass that builds a graph of the gradient."""
    if torch.is_grad_enabled():
        raise InputError(
            f"{mode} cannot be differentiated twice: create_graph=True was set in a backward pass through a fixed "
            "point, and the derivative of its first-order rule is no second derivative. Use gradient=Implicit(), "
            "which is differentiable to any order."
        )


def first_order(z: State, mode: str) -> State:
    """z itself, with a graph that serves first derivatives only."""
    outputs = _FirstOrder.apply(mode, None, *as_tuple(z))
    return outputs[0] if isinstance(z, Tensor) else outputs


def attach(f: Callable[[State], State], z: State, mode: str, rule: Callable[[FlatMap, Flat], Flat]) -> State:
    """f(z) from one tracked evaluation, whose gradient g becomes v = rule(product, g) before it enters that graph.

    product: w -> J^T w with J = df/dz, on flat states (batch, n); each call is one vector-Jacobian product.
    """
    packing = Packing.of(z)
    # The rule accounts for the path through z, so that path ends here.
    inputs = tuple(Cut.apply(part.detach().requires_grad_()) for part in as_tuple(z))
    outputs = as_tuple(packing.check(f(inputs if packing.is_tuple else inputs[0])))

    evaluation = Evaluation(outputs, inputs, (), None)

    def product(flat: Tensor) -> Tensor:
        products = evaluation.pull(inputs, as_tuple(packing.unpack(flat)))
        return packing.pack(products if packing.is_tuple else products[0])

    def backward(gradients: Gradients) -> Gradients:
        g = packing.pack(gradients if packing.is_tuple else gradients[0])
        return as_tuple(packing.unpack(rule(product, g)))

    attached = _FirstOrder.apply(mode, backward, *outputs)
    return attached if packing.is_tuple else attached[0]


class _FirstOrder(torch.autograd.Function):
    """The identity forward; backward, the gradients pass through a rule, once."""

    @staticmethod
    def forward(ctx: Any, mode: str, rule: Callable[[Gradients], Gradients] | None, *outputs: Tensor) -> Gradients:
        ctx.mode, ctx.rule = mode, rule
        return tuple(part.view_as(part) for part in outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative(ctx.mode)
        return None, None, *(gradients if ctx.rule is None else ctx.rule(gradients))
