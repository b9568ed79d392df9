"""Solving z = f(z) without gradients."""

from collections.abc import Callable

import torch

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point.anderson import Anderson
from eiwork.fixed_point.parametrised import weights_evaluated_once
from eiwork.fixed_point.record import Report, publish
from eiwork.fixed_point.solution import Solution
from eiwork.fixed_point.solver import FixedPointSolver, OnFailure, Progress, report_failure
from eiwork.fixed_point.state import Packing, State, detach


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
    solver = Anderson() if solver is None else solver
    if not isinstance(solver, FixedPointSolver):
        raise InputError(
            f"solver={type(solver).__name__} cannot solve z = f(z): choose Picard or Anderson. (GMRES solves linear "
            "systems and belongs in gradient=Implicit(solver=GMRES()).)"
        )
    packing = Packing.of(z0)
    name = type(solver).__name__
    with weights_evaluated_once(f), torch.no_grad():
        try:
            progress = solver.run(packing.flat_map(f), packing.pack(detach(z0)))
        except ConvergenceError as error:
            if isinstance(error.solution, Progress):
                raise ConvergenceError(str(error), _solution(packing, error.solution)) from None
            raise
        solution = _solution(packing, progress)
    publish(
        Report("forward", name, solver.tol, solution.n_evaluations, solution.residual, solution.converged)
    )
    report_failure(
        "forward",
        name,
        solution.residual,
        solution.converged,
        solver.tol,
        solution.n_evaluations,
        solver.on_failure if on_failure is None else on_failure,
        solution,
    )
    return solution


def _solution(packing: Packing, progress: Progress) -> Solution:
    return Solution(
        packing.unpack(progress.best_z),
        progress.converged,
        progress.best_residual,
        progress.n_evaluations,
        list(progress.residual.new_tensor(progress.trace).unbind()),
    )
