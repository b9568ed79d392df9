"""Implicit derivatives under `torch.func`: vjp, jvp, jacrev, jacfwd, hessian and vmap over a fixed point."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.adjoint import AdjointSolver, solve_adjoint
from eiwork.fixed_point.closure import ClosureFree
from eiwork.fixed_point.solve import solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Packing, State, as_tuple, detach

Tensors = tuple[Tensor, ...]
Map = Callable[[Tensors, Tensors], Tensors]


@dataclass(frozen=True)
class _Problem(ABC):
    """state = map(state, parameters), and a way to solve it on plain tensors."""

    adjoint_solver: AdjointSolver

    @abstractmethod
    def map(self, state: Tensors, parameters: Tensors) -> Tensors:
        """One application."""

    @abstractmethod
    def solve(self, start: Tensors, parameters: Tensors) -> Tensors:
        """The fixed point, without derivatives."""

    @abstractmethod
    def solve_as(self, other: "_Problem", start: Tensors, parameters: Tensors) -> Tensors:
        """Solve another problem of the same nature with the same solver."""


@dataclass(frozen=True)
class _Forward(_Problem):
    """z = f(z; p)."""

    f: Map
    solver: FixedPointSolver

    def map(self, state: Tensors, parameters: Tensors) -> Tensors:
        return self.f(state, parameters)

    def solve(self, start: Tensors, parameters: Tensors) -> Tensors:
        return self.solve_as(self, start, parameters)

    def solve_as(self, other: _Problem, start: Tensors, parameters: Tensors) -> Tensors:
        return as_tuple(solve_fixed_point(lambda z: other.map(as_tuple(z), parameters), start, self.solver).value)


@dataclass(frozen=True)
class _Linear(_Problem):
    """x = b + M x, with M the transposed (or plain) Jacobian of `parent`.

    parameters: b, then the fixed point of `parent`, then its parameters.
    """

    parent: _Problem
    n: int
    transposed: bool

    def product(self, parameters: Tensors) -> Callable[[Tensors], Tensors]:
        """x -> M x, linearised once."""
        z, p = parameters[self.n : 2 * self.n], parameters[2 * self.n :]

        def f(*z: Tensor) -> Tensors:
            return self.parent.map(z, p)

        if self.transposed:
            return torch.func.vjp(f, *z)[1]
        return lambda x: torch.func.jvp(f, z, x)[1]

    def map(self, state: Tensors, parameters: Tensors) -> Tensors:
        products = self.product(parameters)(state)
        return tuple(b + m for b, m in zip(parameters[: self.n], products, strict=True))

    def solve(self, start: Tensors, parameters: Tensors) -> Tensors:
        return _solve_linear(self.product(parameters), parameters[: self.n], self.adjoint_solver)

    def solve_as(self, other: _Problem, start: Tensors, parameters: Tensors) -> Tensors:
        b = other.map(tuple(torch.zeros_like(part) for part in start), parameters)

        def product(x: Tensors) -> Tensors:
            return tuple(m - c for m, c in zip(other.map(x, parameters), b, strict=True))

        return _solve_linear(product, b, self.adjoint_solver)


@dataclass(frozen=True)
class _Batched(_Problem):
    """A problem with an extra axis, folded into the batch of the state.

    mapped: which parameters carry the axis too, in front.
    """

    parent: _Problem
    size: int
    mapped: tuple[bool, ...]

    def map(self, state: Tensors, parameters: Tensors) -> Tensors:
        dims = tuple(0 if m else None for m in self.mapped)
        unfolded = tuple(part.unflatten(0, (self.size, -1)) for part in state)
        found = torch.vmap(lambda s, *p: self.parent.map(s, p), in_dims=(0, *dims))(unfolded, *parameters)
        return tuple(part.flatten(0, 1) for part in found)

    def solve(self, start: Tensors, parameters: Tensors) -> Tensors:
        return self.solve_as(self, start, parameters)

    def solve_as(self, other: _Problem, start: Tensors, parameters: Tensors) -> Tensors:
        return self.parent.solve_as(other, start, parameters)


def _solve_linear(product: Callable[[Tensors], Tensors], b: Tensors, solver: AdjointSolver) -> Tensors:
    packing = Packing.of(b)
    flat = solve_adjoint(solver, lambda v: packing.pack(product(as_tuple(packing.unpack(v)))), packing.pack(b))
    return as_tuple(packing.unpack(flat))


class _Node(torch.autograd.Function):
    """The solution of a problem as a function of its parameters; the start is a constant."""

    @staticmethod
    def forward(problem: _Problem, n: int, *tensors: Tensor) -> Tensors:
        return problem.solve(tensors[:n], tensors[n:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.problem, ctx.n, *tensors = inputs
        kept = (*output, *tensors[ctx.n :])
        ctx.save_for_backward(*kept)
        ctx.save_for_forward(*kept)

    @staticmethod
    def backward(ctx: Any, *g: Tensor) -> tuple[Tensor | None, ...]:
        z, p = ctx.saved_tensors[: ctx.n], ctx.saved_tensors[ctx.n :]
        system = _Linear(ctx.problem.adjoint_solver, ctx.problem, ctx.n, transposed=True)
        v = _Node.apply(system, ctx.n, *_start(g), *g, *z, *p)
        if not p:
            return None, None, *[None] * ctx.n
        pull = torch.func.vjp(lambda *p: ctx.problem.map(z, p), *p)[1]
        return None, None, *[None] * ctx.n, *pull(v)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensors:
        z, p = ctx.saved_tensors[: ctx.n], ctx.saved_tensors[ctx.n :]
        given = tuple(
            torch.zeros_like(part) if t is None else t for part, t in zip(p, tangents[2 + ctx.n :], strict=True)
        )
        t = torch.func.jvp(lambda *p: ctx.problem.map(z, p), p, given)[1]
        system = _Linear(ctx.problem.adjoint_solver, ctx.problem, ctx.n, transposed=False)
        return _Node.apply(system, ctx.n, *_start(t), *t, *z, *p)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], problem: _Problem, n: int, *tensors: Tensor
    ) -> tuple[Tensors, tuple[int, ...]]:
        moved = [t if d is None else t.movedim(d, 0) for t, d in zip(tensors, in_dims[2:], strict=True)]
        start = [
            (t.expand(info.batch_size, *t.shape) if d is None else t).flatten(0, 1)
            for t, d in zip(moved[:n], in_dims[2:], strict=False)
        ]
        mapped = tuple(d is not None for d in in_dims[2 + n :])
        batched = _Batched(problem.adjoint_solver, problem, info.batch_size, mapped)
        found = _Node.apply(batched, n, *start, *moved[n:])
        return tuple(part.unflatten(0, (info.batch_size, -1)) for part in found), (0,) * n


def _start(like: Tensors) -> Tensors:
    return tuple(part.detach() for part in like)


def functional_fixed_point(
    f: Callable[[State], State], z0: State, solver: FixedPointSolver, adjoint_solver: AdjointSolver
) -> State:
    """The fixed point of f under a torch.func transform, differentiable in all that f closes over.

    Everything that f closes over is made explicit first (one extra evaluation). The solves themselves run on plain
    tensors below all transforms; a vmapped axis is folded into the batch.
    Raises InputError if f returns another structure than z0's, changes what it closes over between evaluations, or
    uses an operation that torch.vmap cannot map.
    """
    z0 = detach(z0)
    packing = Packing.of(z0)
    try:
        closed = ClosureFree(f, z0)
    except RuntimeError as error:
        if "vmap" not in str(error) and "atching rule" not in str(error):
            raise
        raise InputError(
            f"An operation inside f has no rule for torch.vmap ({error}). Fold the mapped axis into the batch instead: "
            "call the model on y.flatten(0, 1) and unflatten its output; samples of a batch are independent."
        ) from error

    def mapping(state: Tensors, parameters: Tensors) -> Tensors:
        return as_tuple(packing.check(closed(state if packing.is_tuple else state[0], parameters)))

    start = as_tuple(z0)
    problem = _Forward(adjoint_solver, mapping, solver)
    found = _Node.apply(problem, len(start), *start, *closed.parameters)
    return found if packing.is_tuple else found[0]
