"""Two ways of training at equal budgets: the same steps, the same time, the same evaluations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from eiwork.training.counting import total_nfe
from jaxtyping import Float

from eiwork.errors import InputError
from eiwork_study.result import RunResult
from eiwork_study.statistics import Interval, mean_over

Entry = dict[str, float]
BUDGETS: dict[str, Callable[[Entry], float]] = {
    "steps": lambda entry: entry["step"],
    "wall clock (s)": lambda entry: entry["seconds"],
    "processor time (s)": lambda entry: entry["cpu_seconds"],
    "NFE": total_nfe,
}


@dataclass(frozen=True)
class BudgetRow:
    """The difference of held-out PSNR (dB), one method minus the other, at a budget that both have spent.

    spent: the budget, mean over seeds. difference: mean over seeds with its bootstrap interval. per_seed: each seed's.
    """

    budget: str
    spent: float
    difference: Interval
    per_seed: tuple[float, ...]


def curve(run: RunResult, budget: str) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """(spent, held-out PSNR) along a training; raises InputError for a run without history or an unknown budget."""
    if budget not in BUDGETS:
        raise InputError(f"There is no budget {budget!r}; choose from {', '.join(BUDGETS)}.")
    if not run.history:
        raise InputError(f"{run.problem}/{run.method}-{run.seed} has no training curve.")
    spent = [BUDGETS[budget](entry) for entry in run.history]
    return np.asarray(spent), np.asarray([entry["held_out_psnr"] for entry in run.history])


def psnr_at(run: RunResult, budget: str, spent: float) -> float:
    """Held-out PSNR after a budget, linear between monitored steps; raises InputError beyond the curve."""
    x, y = curve(run, budget)
    if not x[0] <= spent <= x[-1] * (1 + 1e-9):
        raise InputError(f"The curve over {budget} spans {x[0]:g} to {x[-1]:g}; {spent:g} is not on it.")
    return float(np.interp(spent, x, y))


def at_equal_budgets(
    one: Sequence[RunResult], other: Sequence[RunResult], *, share: float | int = 1.0
) -> list[BudgetRow]:
    """One method minus the other, seed by seed, at equal steps, time and evaluations.

    The budget of a seed is `share` of what the cheaper of the two trainings spent in all; the dearer one is read where
    it had spent as much. A learning rate on a schedule over all steps is then still high for the dearer one, to its
    disadvantage: where that matters, train the cheaper one longer and compare at the end.
    Raises InputError for seeds that differ or a budget before the first monitored step.
    """
    pairs = _paired(one, other)
    rows = []
    for budget in BUDGETS:
        spent = [share * min(curve(run, budget)[0][-1] for run in pair) for pair in pairs]
        differences = [
            psnr_at(a, budget, limit) - psnr_at(b, budget, limit) for (a, b), limit in zip(pairs, spent, strict=True)
        ]
        mean = float(np.mean(spent))
        rows.append(BudgetRow(budget, mean, mean_over(differences), tuple(differences)))
    return rows


def _paired(one: Sequence[RunResult], other: Sequence[RunResult]) -> list[tuple[RunResult, RunResult]]:
    by_seed = {run.seed: run for run in other}
    if not one or [run.seed for run in one] != sorted(by_seed) or len(by_seed) != len(other):
        raise InputError("Equal budgets are compared seed by seed: both methods need the same seeds.")
    return [(run, by_seed[run.seed]) for run in one]
