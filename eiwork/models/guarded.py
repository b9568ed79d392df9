"""A trained DEQ that finds a fixed point for every scan: its own, or that of a milder operator near it."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import FixedPointSolver
from eiwork.fixed_point.record import publish_solution
from eiwork.fixed_point.state import State, rows_of
from eiwork.models.attempt import attempt, attempt_and_tell
from eiwork.models.batch_map import BatchMap
from eiwork.models.blended import Blended
from eiwork.models.deq import DEQ
from eiwork.models.guarded_solution import GuardedSolution, first_attempt, merged

Image = Float[Tensor, "batch channel height width"]
WEIGHTS = (1.0, 0.9, 0.8, 0.6, 0.4, 0.2, 0.0)
"""Of the trained operator, tried one after the other."""
PROMPT_WEIGHTS, PROMPT_LIMITS, PROMPT_BUDGET = (1.0, 0.6, 0.0), (48, 24, 11), 59
"""For an answer within a budget of evaluations: weights, and the most evaluations with each."""
GIVE_UP = ((24, 10.0), (34, 2.5))
"""How near, in tolerances, a scan must come after so many evaluations, or the trained operator is given up."""


class GuardedDEQ(nn.Module):
    """Reconstruct with a trained DEQ, and with a milder operator where it does not converge.

    A DEQ is trained to contract on scans like those it has seen. On others (stronger noise, fewer measurements) F may
    expand, and the solve ends without a fixed point. Then D is replaced by `Blended(D, w)` for falling weights w, for
    those samples alone, each attempt from where the last one ended. With w = 0 no trained part is left, and F, a data
    step after a shrinkage, is a contraction: every sample has a fixed point, and says of which operator (`solve`).
    A sample that the trained operator solves is reconstructed by it, unchanged.

    model: a DEQ whose iteration has a `denoiser`. weights: falling from 1, each in [0, 1]. solvers: one a weight; the
    model's own for all by default. budget: evaluations of a scan, over all of its attempts; an attempt whose
    `max_iter` is more than what is left of them is passed over, but not the last one. Reconstructs without gradients:
    train the DEQ itself. Raises InputError for a model of another kind, other weights, another number of solvers or
    solvers of several tolerances, a budget below 1, or a y that asks for gradients; warns (ConvergenceWarning), or
    raises ConvergenceError where the solver is to, if the last attempt fails too.
    The blend, and the search for its weight, are ours.
    """

    def __init__(
        self,
        model: nn.Module,
        weights: Sequence[float | int] = WEIGHTS,
        solvers: Sequence[FixedPointSolver] | None = None,
        budget: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, DEQ) or not isinstance(getattr(model.iterate, "denoiser", None), nn.Module):
            raise InputError(
                f"GuardedDEQ guards a DEQ whose iteration has a denoiser, such as ProximalGradient(denoiser); "
                f"{type(model).__name__} is none."
            )
        falling = all(a > b for a, b in pairwise(weights))
        if not weights or weights[0] != 1 or not falling or weights[-1] < 0:
            raise InputError(f"weights={tuple(weights)}: they must fall from 1 and stay in [0, 1].")
        if solvers is not None and len(solvers) != len(weights):
            raise InputError(f"{len(solvers)} solvers for {len(weights)} weights: give one for each, or none at all.")
        if solvers is not None and len(tols := {solver.tol for solver in solvers}) > 1:
            raise InputError(f"The solvers have the tolerances {sorted(tols)}: give all of them the same.")
        if budget is not None and budget < 1:
            raise InputError(f"budget={budget}: at least one evaluation is needed, or None for no limit.")
        self.model, self.weights, self.budget = model, tuple(map(float, weights)), budget
        self._solvers = None if solvers is None else tuple(solvers)

    @property
    def solvers(self) -> tuple[FixedPointSolver, ...]:
        """The solver of each attempt."""
        return (self.model.solver,) * len(self.weights) if self._solvers is None else self._solvers

    @classmethod
    def prompt(cls, model: nn.Module) -> "GuardedDEQ":
        """A guard that answers for every scan within 59 evaluations, at the tolerance of the model's solver.

        A scan that the trained operator brings too slowly near its fixed point is given to a milder one while there is
        time for it, and else to the shrinkage. Raises InputError as the class does. The limits are ours, found at 1e-4.
        """
        if not isinstance(model, DEQ):
            return cls(model)
        solvers = [replace(model.solver, max_iter=limit, give_up=()) for limit in PROMPT_LIMITS]
        steps = tuple((after, tolerances * model.solver.tol) for after, tolerances in GIVE_UP)
        solvers[0] = replace(solvers[0], give_up=steps)
        return cls(model, PROMPT_WEIGHTS, solvers, PROMPT_BUDGET)

    def settings(self) -> dict[str, Any]:
        """The attempts in order (weight, max_iter, give_up) and the budget, for a file."""
        attempts = [
            {
                "weight": weight,
                "max_iter": solver.max_iter,
                "give_up": [list(pair) for pair in solver.give_up],
            }
            for weight, solver in zip(self.weights, self.solvers, strict=True)
        ]
        return {"attempts": attempts, "budget": self.budget}

    def forward(self, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> Image:
        """The reconstruction (batch, channel, height, width) of measurements y; z0 is an optional warm start."""
        if torch.is_grad_enabled() and y.requires_grad:
            raise InputError("GuardedDEQ reconstructs without gradients: differentiate the DEQ inside, `.model`.")
        return self.model.iterate.image(self.solve(y, physics, z0).value)

    @torch.no_grad()
    def solve(self, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> GuardedSolution:
        """The fixed points with one report over all attempts, and the weight of each sample."""
        everything = torch.arange(y.shape[0], device=y.device)
        separable = BatchMap(self.model.iterate, y, physics).separable
        found, left, start = None, everything, z0
        for weight, solver in zip(self.weights, self.solvers, strict=True):
            if found is not None:
                left = self._to_try(found, solver, last=weight == self.weights[-1])
                if len(left) == 0:
                    continue
                start = rows_of(found.value, left if separable else everything)
            model = self._with(weight, solver)
            chosen, rows = (left, everything[: len(left)]) if separable else (everything, left)
            tried, cut_short = attempt_and_tell(model, y[chosen], physics, start)
            found = first_attempt(tried) if found is None else merged(found, tried, left, rows, weight)
            if cut_short and separable:
                found = self._each_alone(model, weight, y, physics, found, left)
        assert found is not None
        self._report(found)
        return found

    def _to_try(self, found: GuardedSolution, solver: FixedPointSolver, *, last: bool) -> Tensor:
        """The samples without a fixed point that can afford another attempt."""
        left = ~found.converged
        if self.budget is not None and not last:
            left = left & (found.evaluations + solver.max_iter <= self.budget)
        return torch.nonzero(left).flatten()

    def _each_alone(
        self,
        model: DEQ,
        weight: float,
        y: Tensor,
        physics: LinearPhysics,
        found: GuardedSolution,
        samples: Tensor,
    ) -> GuardedSolution:
        """Go on with the unsolved samples one by one, so that one that is not finite ends none but its own attempt."""
        for sample in samples[~found.converged[samples]].split(1):
            alone = attempt(model, y[sample], physics, rows_of(found.value, sample))
            found = merged(found, alone, sample, torch.zeros_like(sample), weight)
        return found

    def _report(self, found: GuardedSolution) -> None:
        solver = self.solvers[0]
        publish_solution(found, solver, found.weights)
        n_lost = int((~found.converged).sum())
        if not n_lost:
            return
        message = (
            f"{n_lost} of {len(found.converged)} samples have no fixed point within reach, even with weight "
            f"{self.weights[-1]:g} of the trained operator: residual {float(found.residual.max()):.1e}, tolerance "
            f"{solver.tol:.1e}. Raise the solver's max_iter, or let the weights end with 0."
        )
        if solver.on_failure == "raise":
            raise ConvergenceError(message, found)
        warnings.warn(message, ConvergenceWarning, stacklevel=3)

    def _with(self, weight: float, solver: FixedPointSolver) -> DEQ:
        """The DEQ with another solver, and below weight 1 a copy of it with the blended denoiser."""
        if weight == 1 and solver is self.model.solver:
            return self.model
        iteration = self.model.iterate
        assert isinstance(iteration, nn.Module)
        if weight == 1:
            return DEQ(iteration, solver)
        iteration = copy.deepcopy(iteration)
        iteration.set_submodule("denoiser", Blended(iteration.get_submodule("denoiser"), weight))
        return DEQ(iteration, solver)
