"""The adjoint system (I - J^T) v = g of an implicit gradient, solved sample by sample."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.fixed_point.certificate import relative_error
from eiwork.fixed_point.record import Report, publish
from eiwork.fixed_point.solver import FixedPointSolver, OnFailure, report_failure, trace_tensors
from eiwork.fixed_point.state import Flat, FlatMap, norms


@dataclass(frozen=True)
class LinearResult:
    """v with (I - J^T) v close to g; residual (batch,) is ||g + J^T v - v|| / ||g||; the rest as in `Report`."""

    value: Flat
    residual: Float[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]
    n_evaluations: int
    trace: list[Float[Tensor, " batch"]] = field(default_factory=list, repr=False)
    sigma_min: Float[Tensor, " batch"] | None = None
    error_bound: Float[Tensor, " batch"] | None = None


@runtime_checkable
class LinearSolver(Protocol):
    """A method for (I - M) v = b that sees M only through products M v."""

    @property
    def tol(self) -> float:
        """Relative residual at which a sample is solved."""

    @property
    def on_failure(self) -> OnFailure:
        """Whether an unsolved sample warns or raises."""

    def solve_linear(self, product: FlatMap, b: Flat) -> LinearResult:
        """Solve (I - M) v = b, each sample to `tol` relative to its ||b||."""


AdjointSolver = LinearSolver | FixedPointSolver


def solve_adjoint(solver: AdjointSolver, product: Callable[[Tensor], Tensor], g: Flat) -> Flat:
    """Solve (I - J^T) v = g per sample, publish the report, warn or raise on failure.

    g is scaled to unit norm first, so the answer does not depend on the scale of the loss. Samples with g = 0
    have v = 0.
    """
    scale = norms(g)
    safe = torch.where(scale > 0, scale, torch.ones_like(scale)).to(g.dtype)[:, None]
    b = g / safe
    result = (
        _by_fixed_point(solver, product, b) if isinstance(solver, FixedPointSolver) else solver.solve_linear(product, b)
    )
    name = type(solver).__name__
    publish(
        Report(
            "adjoint",
            name,
            solver.tol,
            result.n_evaluations,
            result.residual,
            result.converged,
            result.trace,
            result.sigma_min,
            result.error_bound,
        )
    )
    report_failure(
        "adjoint",
        name,
        result.residual,
        result.converged,
        solver.tol,
        result.n_evaluations,
        solver.on_failure,
        result,
        result.error_bound,
    )
    return result.value * safe


def _by_fixed_point(solver: FixedPointSolver, product: FlatMap, b: Flat) -> LinearResult:
    # The adjoint system is itself a fixed point, v = b + J^T v, so every fixed-point solver applies.
    reference = norms(b).clamp(min=torch.finfo(torch.float32).tiny)
    progress = solver.run(lambda v: b + product(v), b, reference=reference)
    value, residual, sigma = progress.best_z, progress.best_residual, solver.sigma_min(progress)
    return LinearResult(
        value,
        residual,
        progress.converged,
        progress.n_evaluations,
        trace_tensors(progress),
        sigma,
        None if sigma is None else relative_error(residual * reference, norms(value), sigma, torch.finfo(b.dtype).eps),
    )
