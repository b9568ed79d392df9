"""Searching a library's grid for the cheapest setting that reaches an accuracy; the same search for every library."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

import torch
from torch import Tensor

from eiwork.analysis import compare_gradients
from eiwork.errors import ConvergenceError
from eiwork_study.benchmarks.library import Library, Method, Setting
from eiwork_study.benchmarks.problem import Problem

# How accurate the fixed point must be for methods to be ranked by what they need for it, relative to its norm.
_RANKING_DISTANCE = 1e-4


@dataclass(frozen=True)
class Trial:
    """What one setting cost and gave on one problem; `error` is infinite where the library failed."""

    setting: Setting
    error: float
    forward: int
    backward: int
    seconds: float

    @property
    def total(self) -> int:
        """Evaluations forward and backward."""
        return self.forward + self.backward


def try_setting(setting: Setting, problem: Problem, reference: Sequence[Tensor]) -> Trial:
    """Compute the gradient with a setting, count its evaluations and compare it with the reference."""
    error, start = float("inf"), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a search visits settings that do not converge
        try:
            gradient = problem.gradient(setting.model(problem.counted_denoiser, problem.step_size))
            error = compare_gradients(gradient, reference).relative_error
        except (ConvergenceError, RuntimeError):  # torch.linalg raises RuntimeError on a singular system
            pass
    seconds = time.perf_counter() - start
    count = problem.evaluations
    return Trial(setting, error if isfinite(error) else float("inf"), count.forward, count.backward, seconds)


def first_success(n: int, succeeds: Callable[[int], bool], stride: int = 6) -> int | None:
    """The smallest index in range(n) that succeeds; None if none does.

    Strides upwards to a first success and bisects the last stride: cheap levels are tried first, and a method that gets
    worse again at its most accurate levels (rounding) still counts where it was good.
    """
    low = 0
    for high in [*range(0, n - 1, stride), n - 1]:
        if succeeds(high):
            break
        low = high + 1
    else:
        return None
    while low < high:
        middle = (low + high) // 2
        if succeeds(middle):
            high = middle
        else:
            low = middle + 1
    return low


class Search:
    """Memory of the trials of one library on one problem, and the search among them."""

    def __init__(self, library: Library, problem: Problem, reference: Sequence[Tensor], accuracy: float) -> None:
        self.library, self.problem, self.reference, self.accuracy = library, problem, reference, accuracy
        self.trials: dict[tuple[str, Any, str, Any], Trial] = {}

    def trial(self, forward: Method, i: int, backward: Method, j: int) -> Trial:
        """The trial at levels i and j, run once."""
        setting = Setting(self.library, forward, forward.levels[i], backward, backward.levels[j])
        key = (forward.name, setting.forward_level, backward.name, setting.backward_level)
        if key not in self.trials:
            self.trials[key] = try_setting(setting, self.problem, self.reference)
        return self.trials[key]

    def reached(self) -> list[Trial]:
        """The trials so far that reached the accuracy, the fewest evaluations first."""
        found = [trial for trial in self.trials.values() if trial.error <= self.accuracy]
        return sorted(found, key=lambda trial: trial.total)

    def best(self) -> Trial | None:
        """The cheapest of them in evaluations."""
        return next(iter(self.reached()), None)

    def pair(self, forward: Method, backward: Method, generous: int) -> None:
        """Try the levels of a pair: the loosest forward one under a generous backward one, and a few tighter ones."""
        top = len(forward.levels) - 1
        i = first_success(
            len(forward.levels), lambda i: self.trial(forward, i, backward, generous).error <= self.accuracy
        )
        for k in {min(top, i + step) for step in (0, 2, 5)} if i is not None else ():
            self.backward_level(forward, k, backward, generous + 1)

    def backward_level(self, forward: Method, i: int, backward: Method, n: int) -> int | None:
        """The loosest of the first n backward levels that reaches the accuracy."""
        return first_success(n, lambda j: self.trial(forward, i, backward, j).error <= self.accuracy)


def rank_forward(
    library: Library, problems: Sequence[Problem], solutions: Sequence[Tensor]
) -> list[tuple[Method, int]]:
    """Forward methods by the median evaluations to a fixed point as accurate as needed, with the level for it."""
    ranked = []
    for method in library.forward:
        costs, levels = [], []
        for problem, solution in zip(problems, solutions, strict=True):
            found = _forward_level(library, method, problem, solution)
            if found is None:
                break
            levels.append(found[0])
            costs.append(found[1])
        else:
            ranked.append((median(costs), method, max(levels)))
    return [(method, level) for _, method, level in sorted(ranked, key=lambda row: row[0])]


def _forward_level(library: Library, method: Method, problem: Problem, solution: Tensor) -> tuple[int, int] | None:
    costs: dict[int, int] = {}
    backward = library.backward[0]

    def succeeds(i: int) -> bool:
        setting = Setting(library, method, method.levels[i], backward, backward.levels[0])
        problem.evaluations.reset()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                x = setting.model(problem.counted_denoiser, problem.step_size)(problem.y, problem.physics)
            except (ConvergenceError, RuntimeError):
                return False
        costs[i] = problem.evaluations.forward
        return bool((x - solution).norm() <= _RANKING_DISTANCE * solution.norm())

    level = first_success(len(method.levels), succeeds)
    return None if level is None else (level, costs[level])


def rank_backward(
    library: Library,
    problems: Sequence[Problem],
    references: Sequence[Sequence[Tensor]],
    forward: tuple[Method, int],
    accuracy: float,
) -> list[tuple[Method, int]]:
    """Backward methods by the median backward passes to the accuracy, under one good forward setting."""
    ranked = []
    method, i = forward[0], min(len(forward[0].levels) - 1, forward[1] + 12)
    for backward in library.backward:
        costs, levels = [], []
        for problem, reference in zip(problems, references, strict=True):
            search = Search(library, problem, reference, accuracy)
            found = search.backward_level(method, i, backward, len(backward.levels))
            if found is None:
                break
            levels.append(found)
            costs.append(search.trial(method, i, backward, found).backward)
        else:
            ranked.append((median(costs), backward, max(levels)))
    return [(backward, level) for _, backward, level in sorted(ranked, key=lambda row: row[0])]
