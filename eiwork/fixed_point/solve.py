"""Solving z = f(z) without gradients."""

from typing import Any

import torch
from torch.autograd import forward_ad

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point.anderson import Anderson
from eiwork.fixed_point.calling import aware, calling, not_compiled
from eiwork.fixed_point.capture import refuse_transforms
from eiwork.fixed_point.record import Solution, conclude
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import PackedMap, Packing, State, StateMap, detach


@not_compiled
def solve_fixed_point(f: StateMap, z0: State, solver: FixedPointSolver | None = None) -> Solution:
    """Solve z = f(z) from z0, without gradients.

    f: maps a tensor (batch, ...) or a tuple of such tensors to the same structure, samples independent of each other;
    it may overwrite its argument. Under autocast f alone is cast: z stays of z0's type, and a sample whose residual has
    come to rest at the rounding of the shorter type has converged. z0: the start, of any batch size. solver: Anderson()
    by default; also Broyden(), Picard().
    Warns with ConvergenceWarning (or raises ConvergenceError) where a sample stays above the tolerance; raises
    ConvergenceError at once on a non-finite value, with the best Solution so far in `error.solution`; InputError for an
    unusable state or solver, or inside a torch.func transform.
    """
    with calling(f, z0) as called:
        return run_fixed_point(called, z0, solver)[0]


def as_solver(solver: Any) -> FixedPointSolver:
    """The solver, Anderson() for None; InputError for what solves no z = f(z)."""
    if solver is not None and not isinstance(solver, FixedPointSolver):
        raise InputError(
            f"solver={solver!r} cannot solve z = f(z): choose Anderson(), Broyden() or Picard(). (GMRES() solves "
            "linear systems and belongs in gradient=Implicit(solver=GMRES()).)"
        )
    return Anderson() if solver is None else solver


def run_fixed_point(f: StateMap, z0: State, solver: Any = None) -> tuple[Solution, Progress]:
    """As `solve_fixed_point`, with where the solver stands, for gradient modes that go on from there."""
    refuse_transforms()
    packing, solver = Packing.of(z0), aware(as_solver(solver), f)
    # No tangents of forward mode either: the gradient mode refuses them, in words.
    with torch.no_grad(), forward_ad._set_fwd_grad_enabled(False):  # noqa: SLF001
        try:
            progress = solver.run(PackedMap(f, packing), packing.pack(detach(z0)))
        except ConvergenceError as error:
            if isinstance(error.solution, Progress):
                raise ConvergenceError(str(error), _solution(packing, error.solution, solver)) from None
            raise
        solution = _solution(packing, progress, solver)
    conclude(solution, "forward", solver, getattr(f, "autocast", None) or progress.z.dtype)
    return solution, progress


def _solution(packing: Packing, progress: Progress, solver: FixedPointSolver) -> Solution:
    residual = progress.best_residual
    # The residual is relative to ||f(z)||, and so is its rounding.
    return Solution(
        value=packing.unpack(progress.best_z),
        evaluations=residual.new_tensor(progress.evaluations, dtype=torch.long),
        **solver.outcome(progress, residual, torch.ones_like(residual)),
    )
