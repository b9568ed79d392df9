"""The transpose of a linear map that is known by its program, as one differentiable operation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LinearMap = Callable[[Tensor], Tensor]


def transposed(linear: LinearMap, y: Tensor, shape: tuple[int, ...]) -> Tensor:
    """linear^T y by reverse-mode differentiation, exact to rounding.

    Differentiable itself: the transpose of the transpose is the map.

    Args:
        linear: a map that is linear in its argument, made of differentiable operations.
        y: a tensor of the shape of its output.
        shape: shape of its argument.
    """
    return _Transpose.apply(y, linear, shape)


class _Transpose(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, linear: LinearMap, shape: tuple[int, ...]) -> Tensor:
        ctx.linear = linear
        with torch.enable_grad():
            x = torch.zeros(shape, dtype=y.dtype, device=y.device, requires_grad=True)
            (pulled,) = torch.autograd.grad(linear(x), x, y.detach())
        return pulled

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        return ctx.linear(grad_outputs[0]), None, None
