"""Solving z = f(z) without gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point.anderson import Anderson
from eiwork.fixed_point.capture import no_derivatives
from eiwork.fixed_point.certificate import relative_error
from eiwork.fixed_point.parametrised import weights_evaluated_once
from eiwork.fixed_point.record import Report, publish
from eiwork.fixed_point.solution import Solution
from eiwork.fixed_point.solver import FixedPointSolver, OnFailure, Progress, report_failure, trace_tensors
from eiwork.fixed_point.state import Flat, Packing, State, detach


@dataclass(frozen=True)
class Run:
    """A solve that has ended: what the user gets, and where the solver stands."""

    solution: Solution
    progress: Progress
    solver: FixedPointSolver
    packing: Packing

    def look_ahead(self) -> Flat:
        """Where the solver would go next: beyond the tolerance, at no evaluation. A sample that failed stays."""
        with torch.no_grad():
            ahead, _ = self.solver.propose(self.progress)
            usable = self.progress.converged & ahead.isfinite().all(dim=1)
            return torch.where(usable[:, None], ahead, self.progress.best_z)


def solve_fixed_point(
    f: Callable[[State], State],
    z0: State,
    solver: FixedPointSolver | None = None,
    on_failure: OnFailure | None = None,
) -> Solution:
    """Solve z = f(z) from z0, without gradients.

    f: maps a tensor (batch, ...) or a tuple of such tensors to the same structure, samples independent of each other.
    z0: the start; its first axis is the batch. solver: Anderson() by default. on_failure: overrides the solver's.
    Warns with ConvergenceWarning (or raises ConvergenceError) where a sample stays above the tolerance; raises
    ConvergenceError at once on a non-finite value, with the best finite Solution so far in `error.solution`; raises
    InputError for an unusable state or solver.
    """
    return run_fixed_point(f, z0, solver, on_failure).solution


def run_fixed_point(
    f: Callable[[State], State],
    z0: State,
    solver: Any = None,
    on_failure: OnFailure | None = None,
) -> Run:
    """As `solve_fixed_point`, for gradient modes that go on from where the solver stands."""
    solver = Anderson() if solver is None else solver
    if not isinstance(solver, FixedPointSolver):
        raise InputError(
            f"solver={type(solver).__name__} cannot solve z = f(z): choose Anderson, Broyden or Picard. (GMRES "
            "solves linear systems and belongs in gradient=Implicit(solver=GMRES()).)"
        )
    packing = Packing.of(z0)
    name = type(solver).__name__
    with weights_evaluated_once(f), no_derivatives():
        try:
            progress = solver.run(packing.flat_map(f), packing.pack(detach(z0)))
        except ConvergenceError as error:
            if isinstance(error.solution, Progress):
                raise ConvergenceError(str(error), _solution(packing, error.solution, solver)) from None
            raise
        solution = _solution(packing, progress, solver)
    publish_solution(solution, solver)
    report_failure(
        "forward",
        name,
        solution.residual,
        solution.converged,
        solver.tol,
        solution.n_evaluations,
        solver.on_failure if on_failure is None else on_failure,
        solution,
        solution.error_bound,
    )
    return Run(solution, progress, solver, packing)


def publish_solution(
    solution: Solution, solver: FixedPointSolver, weights: Float[Tensor, " batch"] | None = None
) -> None:
    """Hand the report of a forward solve to every open record; weights as in `Report`."""
    publish(
        Report(
            "forward",
            type(solver).__name__,
            solver.tol,
            solution.n_evaluations,
            solution.residual,
            solution.converged,
            solution.trace,
            solution.sigma_min,
            solution.error_bound,
            weights,
        )
    )


def _solution(packing: Packing, progress: Progress, solver: FixedPointSolver) -> Solution:
    sigma, residual = solver.sigma_min(progress), progress.best_residual
    # The residual is relative to ||f(z)||, and so is its rounding.
    bound = None
    if sigma is not None:
        bound = relative_error(residual, torch.ones_like(residual), sigma, torch.finfo(progress.best_z.dtype).eps)
    return Solution(
        packing.unpack(progress.best_z),
        progress.converged,
        residual,
        progress.n_evaluations,
        trace_tensors(progress),
        residual.new_tensor(progress.evaluations, dtype=torch.long),
        sigma,
        bound,
    )
