"""Linear maps, sparse matrices and linear solves as differentiable operations."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import scipy.sparse as sp
import torch
from deepinv.optim.linear import conjugate_gradient
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import ConvergenceWarning

LinearMap = Callable[[Tensor], Tensor]
Method = Callable[[Tensor, float | Tensor], Tensor]


def linear_function(v: Tensor, forward: LinearMap, adjoint: LinearMap) -> Tensor:
    """forward(v), in the dtype of v, of a linear map of (batch, ...) and its transpose, which compute without autograd.

    Its vector-Jacobian product is the transpose, and its derivative itself: reverse mode, forward mode, their
    compositions to any order and the transforms of `torch.func` work.
    """
    return _LinearFunction.apply(v, forward, adjoint)


class _LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(v: Tensor, forward: LinearMap, adjoint: LinearMap) -> Tensor:
        with torch.autocast(v.device.type, enabled=False):
            return forward(v)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.forward_map, ctx.adjoint_map = inputs

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        return _LinearFunction.apply(grad_outputs[0], ctx.adjoint_map, ctx.forward_map), None, None

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Tensor:
        return _LinearFunction.apply(grad_inputs[0], ctx.forward_map, ctx.adjoint_map)

    @staticmethod
    def vmap(info: Any, in_dims: Any, v: Tensor, *maps: LinearMap) -> tuple[Tensor, int]:
        v = v.movedim(in_dims[0], 0)
        return _LinearFunction.apply(v.flatten(0, 1), *maps).unflatten(0, v.shape[:2]), 0


def csr_tensor(matrix: sp.csr_matrix, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A sparse matrix of SciPy as a CSR tensor of a dtype on a device."""
    with warnings.catch_warnings():
        # PyTorch calls its CSR layout "beta" once per process; the products used here are tested.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr),
            torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.data).to(dtype),
            size=matrix.shape,
            check_invariants=True,
        ).to(device)


class SparseMap:
    """A float64 matrix (m, n) and its transpose, both stored, so that the adjoint is as fast as the forward product.

    32-bit indices and row-major dense operands are what MKL multiplies fastest (scipy: 2.4 to 4.0 times as long).
    """

    def __init__(self, forward: sp.csr_matrix, transpose: sp.csr_matrix) -> None:
        self._scipy = {False: forward, True: transpose}
        self._csr: dict[tuple[bool, torch.dtype, torch.device], Tensor] = {}

    def csr(self, transpose: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The matrix, or its transpose, as a CSR tensor."""
        key = (transpose, dtype, device)
        if key not in self._csr:
            self._csr[key] = csr_tensor(self._scipy[transpose], dtype, device)
        return self._csr[key]

    def multiply(self, v: Float[Tensor, "batch n"], transpose: bool) -> Float[Tensor, "batch m"]:
        """A v (or A^T v) of every row of `v`, without autograd."""
        matrix = self.csr(transpose, v.dtype, v.device)
        if v.shape[0] == 1:
            return torch.mv(matrix, v[0])[None]
        return torch.mm(matrix, v.t()).t().contiguous()

    def product(self, v: Float[Tensor, "batch n"], *, transpose: bool = False) -> Float[Tensor, "batch m"]:
        """The same, differentiable to any order: see `linear_function`."""
        return linear_function(v, *[partial(self.multiply, transpose=t) for t in (transpose, not transpose)])


def cut_for_noise(noise_sigma: float | int) -> float:
    """The relative cut-off of a minimum-norm inverse (norm 1): 10 noise_sigma, from 1e-3 to 0.5; a rule of ours."""
    return min(max(1e-3, 10 * noise_sigma), 0.5)


def minimum_norm_solution(
    forward: LinearMap, adjoint: LinearMap, y: Tensor, *, tol: float, max_iter: int, normal: LinearMap | None = None
) -> Tensor:
    """A^+ y per sample: the least-squares solution of A x = y of least norm, in float64, returned in y's dtype.

    Conjugate gradients on A^T A x = A^T y from zero, whose iterates stay in the range of A^T (Hestenes and Stiefel
    1952). (A^+)^T = (A^T)^+ is solved the same way, so that it is differentiable to any order. forward, adjoint: A and
    A^T on batches; normal: A^T A, where it is known better. It stops at ||A^T (y - A x)|| <= tol ||A^T y|| for every
    sample; where `max_iter` iterations do not reach that, it warns (`ConvergenceWarning`).
    """

    def inverse(a: LinearMap, transpose: LinearMap, product: LinearMap | None = None) -> LinearMap:
        return lambda v: _conjugate_gradients(
            product or (lambda x: transpose(a(x))),
            transpose(v),
            max_iter,
            tol,
            1.1,
            "the minimum-norm inverse stopped after {max_iter} conjugate-gradient iterations with a relative normal "
            "residual of {residual:.1e}, above its tolerance {tol:.1e}: the operator is badly conditioned. Raise the "
            "tolerance (less noise amplification, too) or max_iter, or take fewer measurements.",
        )

    return linear_function(y.double(), inverse(forward, adjoint, normal), inverse(adjoint, forward)).to(y.dtype)


def shifted_inverse(b: Tensor, shift: float | Tensor, method: Method) -> Tensor:
    """x = (H + shift I)^-1 b for a symmetric H, taken as a constant; differentiable in b and in a tensor `shift`.

    dx = (H + s I)^-1 (db - x ds): every derivative, of any order and mode, is another solve by the same method. b:
    (batch, ...). shift: positive number, or tensor without axes. method: method(b, shift) solves, without autograd.
    """
    if isinstance(shift, Tensor):
        return _ShiftedInverse.apply(b, shift, method)
    return linear_function(b, *[lambda v: method(v, shift)] * 2)


class _ShiftedInverse(torch.autograd.Function):
    @staticmethod
    def forward(b: Tensor, shift: Tensor, method: Method) -> Tensor:
        with torch.autocast(b.device.type, enabled=False):
            return method(b, shift)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.method = inputs[2]
        ctx.save_for_backward(output, inputs[1])
        ctx.save_for_forward(output, inputs[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x, shift = ctx.saved_tensors
        g = _ShiftedInverse.apply(grad_outputs[0], shift, ctx.method)
        return g, -(g * x).sum().to(shift) if ctx.needs_input_grad[1] else None, None

    @staticmethod
    def jvp(ctx: Any, b_tangent: Tensor | None, shift_tangent: Any, _method: Any) -> Tensor:
        x, shift = ctx.saved_tensors
        change = torch.zeros_like(x) if b_tangent is None else b_tangent
        if shift_tangent is not None:
            change = change - x * shift_tangent.to(x)
        return _ShiftedInverse.apply(change, shift, ctx.method)

    @staticmethod
    def vmap(info: Any, in_dims: Any, b: Tensor, shift: Tensor, method: Method) -> tuple[Tensor, int]:
        b = b.expand(info.batch_size, *b.shape) if in_dims[0] is None else b.movedim(in_dims[0], 0)
        if in_dims[1] is None:
            flat = _ShiftedInverse.apply(b.flatten(0, 1), shift, method)
            return flat.unflatten(0, b.shape[:2]), 0
        each = [_ShiftedInverse.apply(x, s, method) for x, s in zip(b, shift, strict=True)]
        return torch.stack(each), 0


def by_conjugate_gradients(h: LinearMap, *, name: str, max_iter: int = 500, tol: float | None = None) -> Method:
    """The method of `shifted_inverse` for an H known by its products only: conjugate gradients in the dtype of b.

    It stops at a relative residual of `tol`, by default 1e-6 in float32 and 1e-12 in float64, for every sample
    (Hestenes and Stiefel 1952). It warns (`ConvergenceWarning`), naming `name`, where `max_iter` do not suffice.
    """

    def solve(b: Tensor, shift: float | Tensor) -> Tensor:
        number = float(shift)
        return _conjugate_gradients(
            lambda x: h(x) + number * x,
            b,
            max_iter,
            tol or (1e-12 if b.dtype == torch.float64 else 1e-6),
            10.0,
            f"{name} stopped after {{max_iter}} conjugate-gradient iterations with a relative residual of "
            f"{{residual:.1e}}, above its tolerance {{tol:.1e}}: the penalty or regularisation {number:.1e} is small "
            "against the operator's norm. Raise it, or use float64.",
        )

    return solve


def _conjugate_gradients(system: LinearMap, b: Tensor, max_iter: int, tol: float, slack: float, missed: str) -> Tensor:
    """system^-1 b without autograd; the warning `missed` where a relative residual is above slack * tol.

    Rounding separates the recursive residual, on which the solver stops, from the true one. Right-hand sides of norm 1
    make the solver's absolute safeguards independent of the data's scale.
    """
    if b.numel() == 0:
        return b.clone()
    with torch.no_grad():
        scale = torch.linalg.vector_norm(b.flatten(1), dim=1).view(-1, *[1] * (b.ndim - 1))
        unit = b / torch.where(scale > 0, scale, torch.ones_like(scale))
        x = conjugate_gradient(system, unit, max_iter=max_iter, tol=tol, eps=torch.finfo(b.dtype).tiny)
        residual = float(torch.linalg.vector_norm((unit - system(x)).flatten(1), dim=1).max())
    if not residual <= slack * tol:
        text = missed.format(max_iter=max_iter, residual=residual, tol=tol)
        warnings.warn(text, ConvergenceWarning, stacklevel=2)
    return x * scale
