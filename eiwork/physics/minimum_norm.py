"""Minimum-norm least squares by conjugate gradients, differentiable."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from deepinv.optim.linear import conjugate_gradient
from torch import Tensor

from eiwork.errors import ConvergenceWarning
from eiwork.physics.shifted_inverse import unit_and_scale

LinearMap = Callable[[Tensor], Tensor]


def cut_for_noise(noise_sigma: float | int) -> float:
    """The relative cut-off of a minimum-norm inverse: 10 noise_sigma, from 1e-3 to 0.5; a rule of ours.

    Noise of a kept component grows by up to 1 / cut-off. noise_sigma: standard deviation, the operator having norm 1.
    """
    return min(max(1e-3, 10 * noise_sigma), 0.5)


def minimum_norm_solution(forward: LinearMap, adjoint: LinearMap, y: Tensor, *, tol: float, max_iter: int) -> Tensor:
    """A^+ y per sample: the least-squares solution of A x = y of least norm, in float64, returned in y's dtype.

    Conjugate gradients on A^T A x = A^T y from zero; the iterates stay in the range of A^T, so the limit is the
    minimum-norm solution (Hestenes and Stiefel, 1952). Gradients are implicit: the derivative's transpose is the
    pseudo-inverse of A^T, solved the same way, to any order. forward, adjoint: A and A^T, from (batch, ...) to
    (batch, ...). It stops at ||A^T (y - A x)|| <= tol ||A^T y|| for every sample; where `max_iter` iterations do not
    reach that, it warns (`ConvergenceWarning`).
    """
    return _PseudoInverse.apply(y.double(), forward, adjoint, tol, max_iter).to(y.dtype)


class _PseudoInverse(torch.autograd.Function):
    @staticmethod
    def forward(y: Tensor, forward: LinearMap, adjoint: LinearMap, tol: float, max_iter: int) -> Tensor:
        return _solve(forward, adjoint, y, tol, max_iter)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.forward_map, ctx.adjoint_map, ctx.tol, ctx.max_iter = inputs

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None, None]:
        # (A^+)^T = (A^T)^+: the same solve with the roles of A and A^T exchanged.
        g = _PseudoInverse.apply(grad_outputs[0], ctx.adjoint_map, ctx.forward_map, ctx.tol, ctx.max_iter)
        return g, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Tensor:
        return _PseudoInverse.apply(grad_inputs[0], ctx.forward_map, ctx.adjoint_map, ctx.tol, ctx.max_iter)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], y: Tensor, *settings: Any) -> tuple[Tensor, int]:
        y = y.movedim(in_dims[0], 0)  # type: ignore[arg-type]
        return _PseudoInverse.apply(y.flatten(0, 1), *settings).unflatten(0, y.shape[:2]), 0


def _solve(forward: LinearMap, adjoint: LinearMap, y: Tensor, tol: float, max_iter: int) -> Tensor:
    def normal(x: Tensor) -> Tensor:
        return adjoint(forward(x))

    b, scale = unit_and_scale(adjoint(y))
    x = conjugate_gradient(normal, b, max_iter=max_iter, tol=tol, eps=torch.finfo(b.dtype).tiny)
    residual = torch.linalg.vector_norm((b - normal(x)).flatten(1), dim=1)
    # Rounding separates the recursive residual, on which the solver stops, from the true one.
    if bool((residual > 1.1 * tol).any()):
        warnings.warn(
            f"the minimum-norm inverse stopped after {max_iter} conjugate-gradient iterations with a relative "
            f"normal residual of {float(residual.max()):.1e}, above its tolerance {tol:.1e}: the operator is badly "
            "conditioned. Raise the tolerance (less noise amplification, too) or max_iter, or take fewer measurements.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return x * scale
