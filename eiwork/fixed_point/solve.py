"""Solving z = f(z) without gradients."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import forward_ad

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point.anderson import Anderson
from eiwork.fixed_point.capture import refuse_transforms, weights_evaluated_once
from eiwork.fixed_point.certificate import relative_error
from eiwork.fixed_point.record import OnFailure, Solution, publish_solution, report_failure
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import Flat, Packing, State, StateMap, detach


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
    f: StateMap,
    z0: State,
    solver: FixedPointSolver | None = None,
    on_failure: OnFailure | None = None,
) -> Solution:
    """Solve z = f(z) from z0, without gradients.

    f: maps a tensor (batch, ...) or a tuple of such tensors to the same structure, samples independent of each other.
    z0: the start; its first axis is the batch. solver: Anderson() by default. on_failure: overrides the solver's.
    Warns with ConvergenceWarning (or raises ConvergenceError) where a sample stays above the tolerance; raises
    ConvergenceError at once on a non-finite value, with the best finite Solution so far in `error.solution`; raises
    InputError for an unusable state or solver, or inside a torch.func transform.
    """
    return run_fixed_point(f, z0, solver, on_failure).solution


def run_fixed_point(f: StateMap, z0: State, solver: Any = None, on_failure: OnFailure | None = None) -> Run:
    """As `solve_fixed_point`, for gradient modes that go on from where the solver stands."""
    refuse_transforms()
    solver = Anderson() if solver is None else solver
    if not isinstance(solver, FixedPointSolver):
        raise InputError(
            f"solver={type(solver).__name__} cannot solve z = f(z): choose Anderson, Broyden or Picard. (GMRES "
            "solves linear systems and belongs in gradient=Implicit(solver=GMRES()).)"
        )
    packing = Packing.of(z0)
    # No tangents of forward mode either: the gradient mode refuses them, in words.
    with weights_evaluated_once(f), torch.no_grad(), forward_ad._set_fwd_grad_enabled(False):  # noqa: SLF001
        try:
            progress = solver.run(packing.flat_map(f), packing.pack(detach(z0)))
        except ConvergenceError as error:
            if isinstance(error.solution, Progress):
                raise ConvergenceError(str(error), _solution(packing, error.solution, solver)) from None
            raise
        solution = _solution(packing, progress, solver)
    publish_solution(solution, solver)
    report_failure(solution, "forward", solver, on_failure)
    return Run(solution, progress, solver, packing)


def _solution(packing: Packing, progress: Progress, solver: FixedPointSolver) -> Solution:
    sigma, residual = solver.sigma_min(progress), progress.best_residual
    # The residual is relative to ||f(z)||, and so is its rounding.
    bound = None
    if sigma is not None:
        bound = relative_error(residual, torch.ones_like(residual), sigma, torch.finfo(progress.best_z.dtype).eps)
    return Solution(
        value=packing.unpack(progress.best_z),
        converged=progress.converged,
        residual=residual,
        n_evaluations=progress.n_evaluations,
        trace=progress.trace_tensors(),
        evaluations=residual.new_tensor(progress.evaluations, dtype=torch.long),
        sigma_min=sigma,
        error_bound=bound,
    )
