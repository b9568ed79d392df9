"""The adjoint system (I - J^T) v = g of an implicit gradient, solved sample by sample."""

from typing import Protocol, runtime_checkable

import torch

from eiwork.fixed_point.certificate import relative_error
from eiwork.fixed_point.record import LinearResult, Solver, publish_solution, report_failure
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Flat, FlatMap, norms


@runtime_checkable
class LinearSolver(Solver, Protocol):
    """A method for (I - M) v = b that sees M only through products M v."""

    def solve_linear(self, product: FlatMap, b: Flat) -> LinearResult:
        """Solve (I - M) v = b, each sample to `tol` relative to its ||b||."""


AdjointSolver = LinearSolver | FixedPointSolver


def solve_adjoint(solver: AdjointSolver, product: FlatMap, g: Flat) -> Flat:
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
    publish_solution(result, solver, kind="adjoint")
    report_failure(result, "adjoint", solver)
    return result.value * safe


def _by_fixed_point(solver: FixedPointSolver, product: FlatMap, b: Flat) -> LinearResult:
    # The adjoint system is itself a fixed point, v = b + J^T v, so every fixed-point solver applies.
    reference = norms(b).clamp(min=torch.finfo(torch.float32).tiny)
    progress = solver.run(lambda v: b + product(v), b, reference=reference)
    value, residual, sigma = progress.best_z, progress.best_residual, solver.sigma_min(progress)
    bound = None
    if sigma is not None:
        bound = relative_error(residual * reference, norms(value), sigma, torch.finfo(b.dtype).eps)
    return LinearResult(
        value=value,
        converged=progress.converged,
        residual=residual,
        n_evaluations=progress.n_evaluations,
        trace=progress.trace_tensors(),
        sigma_min=sigma,
        error_bound=bound,
    )
