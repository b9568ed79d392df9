"""(H + s I)^-1 b for a symmetric H as one differentiable operation, whatever method does the solving."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from deepinv.optim.linear import conjugate_gradient
from torch import Tensor

from eiwork.errors import ConvergenceWarning

LinearMap = Callable[[Tensor], Tensor]
Method = Callable[[Tensor, float | Tensor], Tensor]


def shifted_inverse(b: Tensor, shift: float | Tensor, method: Method) -> Tensor:
    """x = (H + shift I)^-1 b, differentiable in b and in a tensor `shift`.

    With H symmetric, dx = (H + s I)^-1 (db - x ds): every derivative is another solve by the same method, so
    forward mode, reverse mode, their compositions to any order and the transforms of `torch.func` work, and no
    intermediate of a solve is kept. H itself is taken as a constant. b: right-hand sides, the first axis counting
    samples. shift: positive number, or tensor without axes. method: method(b, shift) solves, without autograd.
    """
    return _ShiftedInverse.apply(b, shift, method)


class _ShiftedInverse(torch.autograd.Function):
    @staticmethod
    def forward(b: Tensor, shift: float | Tensor, method: Method) -> Tensor:
        with torch.autocast(b.device.type, enabled=False):
            return method(b, shift)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, shift, ctx.method = inputs
        ctx.number = None if isinstance(shift, Tensor) else shift
        if isinstance(shift, Tensor):
            ctx.save_for_backward(output, shift)
            ctx.save_for_forward(output, shift)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor | None, None]:
        if ctx.number is not None:
            return _ShiftedInverse.apply(grad_outputs[0], ctx.number, ctx.method), None, None
        x, shift = ctx.saved_tensors
        g = _ShiftedInverse.apply(grad_outputs[0], shift, ctx.method)
        return g, -(g * x).sum().to(shift) if ctx.needs_input_grad[1] else None, None

    @staticmethod
    def jvp(ctx: Any, b_tangent: Tensor | None, shift_tangent: Any, _method: Any) -> Tensor:
        if ctx.number is not None:
            return _ShiftedInverse.apply(b_tangent, ctx.number, ctx.method)
        x, shift = ctx.saved_tensors
        change = torch.zeros_like(x) if b_tangent is None else b_tangent
        if shift_tangent is not None:
            change = change - x * shift_tangent.to(x)
        return _ShiftedInverse.apply(change, shift, ctx.method)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], b: Tensor, shift: float | Tensor, method: Method
    ) -> tuple[Tensor, int]:
        b = b.expand(info.batch_size, *b.shape) if in_dims[0] is None else b.movedim(in_dims[0], 0)
        if in_dims[1] is None:
            flat = _ShiftedInverse.apply(b.flatten(0, 1), shift, method)
            return flat.unflatten(0, b.shape[:2]), 0
        assert isinstance(shift, Tensor)
        each = [_ShiftedInverse.apply(x, s, method) for x, s in zip(b, shift, strict=True)]
        return torch.stack(each), 0


def by_conjugate_gradients(h: LinearMap, *, name: str, max_iter: int = 500, tol: float | None = None) -> Method:
    """The method for an H that is known by its products only: conjugate gradients in the dtype of b.

    It stops at a relative residual of `tol`, by default 1e-6 in float32 and 1e-12 in float64, for every sample
    (Hestenes and Stiefel, 1952). It warns (`ConvergenceWarning`), naming `name`, where `max_iter` do not suffice.
    """

    def solve(b: Tensor, shift: float | Tensor) -> Tensor:
        number = float(shift)
        goal = tol or (1e-12 if b.dtype == torch.float64 else 1e-6)
        unit, scale = unit_and_scale(b)

        def system(x: Tensor) -> Tensor:
            return h(x) + number * x

        with torch.no_grad():
            x = conjugate_gradient(system, unit, max_iter=max_iter, tol=goal, eps=torch.finfo(b.dtype).tiny)
            residual = float(torch.linalg.vector_norm((unit - system(x)).flatten(1), dim=1).max())
        # Rounding separates the recursive residual, on which the solver stops, from the true one.
        if not residual <= 10 * goal:
            warnings.warn(
                f"{name} stopped after {max_iter} conjugate-gradient iterations with a relative residual of "
                f"{residual:.1e}, above its tolerance {goal:.1e}: the penalty or regularisation {number:.1e} is small "
                "against the operator's norm. Raise it, or use float64.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return x * scale

    return solve


def unit_and_scale(b: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample of b divided by its norm, and the norms, for broadcasting; a sample of zeros stays.

    Unit right-hand sides make a solver's absolute safeguards independent of the data's scale.
    """
    scale = torch.linalg.vector_norm(b.flatten(1), dim=1).view(-1, *[1] * (b.ndim - 1))
    return b / torch.where(scale > 0, scale, torch.ones_like(scale)), scale
