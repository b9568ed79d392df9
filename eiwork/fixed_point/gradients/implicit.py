"""Implicit gradients: one tracked evaluation of f at the fixed point and one adjoint solve."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eiwork.errors import InputError
from eiwork.fixed_point.adjoint import AdjointSolver, solve_adjoint
from eiwork.fixed_point.gmres import GMRES
from eiwork.fixed_point.solve import solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Packing, State, as_tuple

Adjoint = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Implicit:
    """Gradient by the implicit function theorem, exact at the fixed point, memory independent of the solve.

    At z = f(z, theta): dL/dtheta = v^T df/dtheta, with (I - J^T) v = dL/dz and J = df/dz. One call is one node of the
    autograd graph, so calls compose: an EI loss with two reconstructions has two nodes and needs no further rule.
    f must treat the samples of a batch independently (no batch normalisation in training mode).

    solver: GMRES (default), or any fixed-point solver, for the adjoint system; its tolerance is relative to
    ||dL/dz|| of each sample. Differentiating twice raises InputError. Source: Bai, Kolter & Koltun, arXiv
    1909.01377; the modular use under EI losses: arXiv 2511.18667.
    """

    solver: AdjointSolver = field(default_factory=GMRES)

    def __call__(self, f: Callable[[State], State], z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f; gradients reach every tensor that f closes over."""
        value = solve_fixed_point(f, z0, solver).value
        if not torch.is_grad_enabled():
            return value
        packing = Packing.of(value)
        # The node below already accounts for the path through z, so that path is cut inside the tracked evaluation.
        inputs = tuple(_Cut.apply(part.detach().requires_grad_()) for part in as_tuple(value))
        outputs = as_tuple(packing.check(f(inputs if packing.is_tuple else inputs[0])))

        def adjoint(gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            def product(flat: Tensor) -> Tensor:
                vectors = as_tuple(packing.unpack(flat))
                with torch.enable_grad():
                    products = torch.autograd.grad(
                        outputs, inputs, vectors, retain_graph=True, allow_unused=True, materialize_grads=True
                    )
                return packing.pack(products if packing.is_tuple else products[0])

            g = packing.pack(gradients if packing.is_tuple else gradients[0])
            return as_tuple(packing.unpack(solve_adjoint(self.solver, product, g)))

        attached = _AdjointNode.apply(adjoint, *outputs)
        return attached if packing.is_tuple else attached[0]


class _Cut(torch.autograd.Function):
    """The identity, with no gradient behind it."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> None:
        return None


class _AdjointNode(torch.autograd.Function):
    """The identity forward; backward, the gradient g becomes v with (I - J^T) v = g."""

    @staticmethod
    def forward(ctx: Any, adjoint: Adjoint, *outputs: Tensor) -> tuple[Tensor, ...]:
        ctx.adjoint = adjoint
        return tuple(part.view_as(part) for part in outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise InputError(
                "Implicit gradients cannot be differentiated again: create_graph=True was set in a backward pass "
                "through a fixed point. Use gradient=Unrolled(steps) where second derivatives are needed."
            )
        return (None, *ctx.adjoint(gradients))
