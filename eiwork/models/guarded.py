"""A trained DEQ that finds a fixed point for every scan: its own, or that of a milder operator near it."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import FixedPointSolver, Solution
from eiwork.fixed_point.record import publish, reporting_to, require
from eiwork.fixed_point.state import State, as_tuple, rows_of
from eiwork.models.deq import DEQ, BatchMap

Image = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True)
class Attempt:
    """One try of a `GuardedDEQ`: the weight in [0, 1] of the trained operator, and the limits of its solve.

    give_up: each (n, t) ends the try of scans not within t tolerances after n evaluations. Default: the solver's own.
    """

    weight: float | int
    max_iter: int | None = None
    give_up: tuple[tuple[int, float | int], ...] = ()

    def solver(self, own: FixedPointSolver) -> FixedPointSolver:
        """The model's own solver under these limits."""
        if self.max_iter is None and not self.give_up:
            return own
        limit = own.max_iter if self.max_iter is None else self.max_iter
        return replace(own, max_iter=limit, give_up=tuple((n, times * own.tol) for n, times in self.give_up))


SEARCH = tuple(Attempt(weight) for weight in (1.0, 0.9, 0.8, 0.6, 0.4, 0.2, 0.0))
PROMPT, PROMPT_BUDGET = (Attempt(1.0, 48, ((24, 10.0), (34, 2.5))), Attempt(0.6, 24), Attempt(0.0, 11)), 59


@dataclass(frozen=True, kw_only=True)
class GuardedSolution(Solution):
    """A solution, its evaluations over all attempts; weights (batch,): the share of the trained operator in it."""

    weights: Float[Tensor, " batch"]


class GuardedDEQ(nn.Module):
    """Reconstruct with a trained DEQ, and with a milder operator where it does not converge.

    Where the solve of a sample ends without a fixed point, D(x) gives way to w D(x) + (1 - w) 0.9 x for falling weights
    w, each attempt from where the last one ended. With w = 0 no trained part is left, and F is a contraction.

    model: a DEQ whose iteration has a `denoiser`. attempts: with weights that fall from 1 and stay in [0, 1]. budget:
    evaluations of a scan over all of its attempts; one that may take more than is left is passed over, but not the
    last. Raises InputError for another model, other weights, a budget below 1, or a y that asks for gradients; warns,
    or raises ConvergenceError where the solver is to, if the last attempt fails too. The guard is ours.
    """

    def __init__(self, model: nn.Module, attempts: Sequence[Attempt] = SEARCH, budget: int | None = None) -> None:
        super().__init__()
        if not isinstance(model, DEQ) or not isinstance(getattr(model.iterate, "denoiser", None), nn.Module):
            kind = type(model).__name__
            raise InputError(f"GuardedDEQ guards a DEQ whose iteration has a denoiser; {kind} is none.")
        weights = tuple(attempt.weight for attempt in attempts)
        if not weights or weights[0] != 1 or weights[-1] < 0 or any(a <= b for a, b in pairwise(weights)):
            raise InputError(f"The attempts have the weights {weights}: they must fall from 1 and stay in [0, 1].")
        require(self, budget is None or budget >= 1, "at least one evaluation, or None for no limit.", budget=budget)
        self.model, self.attempts, self.budget = model, tuple(attempts), budget
        _ = self.solvers  # says which limits are out of range

    @classmethod
    def prompt(cls, model: nn.Module) -> "GuardedDEQ":
        """A guard that answers for every scan within 59 evaluations, by a milder operator where it takes too long."""
        return cls(model, PROMPT, PROMPT_BUDGET)

    @property
    def solvers(self) -> tuple[FixedPointSolver, ...]:
        """The solver of each attempt."""
        return tuple(attempt.solver(self.model.solver) for attempt in self.attempts)

    def settings(self) -> dict[str, Any]:
        """The attempts in order (weight, max_iter, give_up with its residuals) and the budget, for a file."""
        attempts = [
            {"weight": float(one.weight), "max_iter": solver.max_iter, "give_up": list(map(list, solver.give_up))}
            for one, solver in zip(self.attempts, self.solvers, strict=True)
        ]
        return {"attempts": attempts, "budget": self.budget}

    def forward(self, y: Tensor, physics: LinearPhysics, *, z0: State | None = None) -> Image:
        """The reconstruction of measurements y; z0 is an optional warm start."""
        if torch.is_grad_enabled() and y.requires_grad:
            raise InputError("GuardedDEQ reconstructs without gradients: differentiate the DEQ inside, `.model`.")
        return self.model.iterate.image(self.solve(y, physics, z0).value)

    @torch.no_grad()
    def solve(self, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> GuardedSolution:
        """The fixed points with one report over all attempts, and the weight of each sample."""
        everyone = torch.arange(y.shape[0], device=y.device)
        separable = BatchMap(self.model.iterate, y, physics).separable
        found, left, start = None, everyone, z0
        for attempt, solver in zip(self.attempts, self.solvers, strict=True):
            if found is not None:
                unsolved = ~found.converged
                if self.budget is not None and attempt is not self.attempts[-1]:
                    unsolved = unsolved & (found.evaluations + solver.max_iter <= self.budget)
                left = unsolved.nonzero().flatten()
                if len(left) == 0:
                    continue
                start = rows_of(found.value, left if separable else everyone)
            iteration: Any = self.model.iterate
            if attempt.weight < 1:
                iteration = copy.deepcopy(iteration)
                iteration.denoiser = Blended(iteration.denoiser, attempt.weight)
            model = DEQ(iteration, solver)
            # Where each sample has an operator of its own, all are solved again, and some are taken.
            chosen, rows = (left, everyone[: len(left)]) if separable else (everyone, left)
            tried, cut_short = _try_to_solve(model, y[chosen], physics, start)
            found = _taken_over(found, tried, left, rows, attempt.weight)
            for sample in left[~found.converged[left]].split(1) if cut_short and separable else ():  # one by one
                alone, _ = _try_to_solve(model, y[sample], physics, rows_of(found.value, sample))
                found = _taken_over(found, alone, sample, torch.zeros_like(sample), attempt.weight)
        assert found is not None
        self._report(found)
        return found

    def _report(self, found: GuardedSolution) -> None:
        solver = self.model.solver
        publish(found, "forward", type(solver).__name__, solver.tol, found.weights)
        if not (n_failed := int((~found.converged).sum())):
            return
        message = (
            f"{n_failed} of {len(found.converged)} samples have no fixed point within reach, even with weight "
            f"{self.attempts[-1].weight:g} of the trained operator: residual {float(found.residual.max()):.1e}, "
            f"tolerance {solver.tol:.1e}. Raise the solver's max_iter, or let the weights end with 0."
        )
        if solver.on_failure == "raise":
            raise ConvergenceError(message, found)
        warnings.warn(message, ConvergenceWarning, stacklevel=3)


class Blended(nn.Module):
    """w D(x) + (1 - w) 0.9 x: a denoiser D drawn towards a shrinkage, which is a contraction; weight: w in [0, 1]."""

    def __init__(self, denoiser: nn.Module, weight: float | int) -> None:
        super().__init__()
        self.denoiser, self.weight = denoiser, float(weight)

    def forward(self, x: Image) -> Image:
        """Apply it to images (batch, channels, height, width)."""
        shrunk = (1 - self.weight) * 0.9 * x
        return shrunk + self.weight * self.denoiser(x) if self.weight else shrunk


def _try_to_solve(model: DEQ, y: Tensor, physics: LinearPhysics, start: State | None) -> tuple[Solution, bool]:
    """A solve without warning or report, and whether a value that was not finite cut it short; the best one before."""
    with warnings.catch_warnings(), reporting_to():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return model.solve(y, physics, start), False
        except ConvergenceError as error:
            if not isinstance(error.solution, Solution):
                raise
            return error.solution, True


def _taken_over(
    old: GuardedSolution | None, new: Solution, samples: Tensor, rows: Tensor, weight: float | int
) -> GuardedSolution:
    """`old` with its `samples` replaced by `rows` of a further attempt, which goes on where their last one ended."""
    if old is None:
        return GuardedSolution(**vars(new), weights=torch.ones_like(new.residual))

    def put(before: Any, after: Any) -> Any:
        return None if before is None or after is None else before.index_copy(0, samples, after[rows])

    evaluations = old.evaluations.index_add(0, samples, new.evaluations[rows])
    parts = tuple(put(a, b) for a, b in zip(as_tuple(old.value), as_tuple(new.value), strict=True))
    names = ("converged", "residual", "sigma_min", "error_bound")
    return replace(
        old,
        value=parts[0] if isinstance(old.value, Tensor) else parts,
        n_evaluations=int(evaluations.max()),
        evaluations=evaluations,
        trace=_traces(old, new, samples, rows),
        weights=old.weights.index_fill(0, samples, weight),
        **{name: put(getattr(old, name), getattr(new, name)) for name in names},
    )


def _traces(old: GuardedSolution, new: Solution, samples: Tensor, rows: Tensor) -> list[Tensor]:
    """The residuals of all attempts of each sample, one after the other, and its last one from then on."""
    columns = [c[:n] for c, n in zip(torch.stack(old.trace).unbind(1), old.evaluations.tolist(), strict=True)]
    tried = torch.stack(new.trace)
    for sample, row, n in zip(samples.tolist(), rows.tolist(), new.evaluations[rows].tolist(), strict=True):
        columns[sample] = torch.cat([columns[sample], tried[:n, row]])
    length = max(map(len, columns))
    filled = [torch.cat([column, column[-1:].expand(length - len(column))]) for column in columns]
    return list(torch.stack(filled, dim=1).unbind())
