"""The results of a study, found again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from eiwork.errors import DataFormatError, InputError
from eiwork_study.grid import Task
from eiwork_study.result import RunResult
from eiwork_study.task import existing_result

Values = Float[np.ndarray, "seed image"]


@dataclass(frozen=True)
class Collection:
    """Results by (problem, method, seed), and what was wrong with those that cannot be used."""

    runs: dict[tuple[str, str, int], RunResult]
    problems_found: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """Problems with a result, in the order of the tasks."""
        return list(dict.fromkeys(problem for problem, _, _ in self.runs))

    def methods(self, problem: str) -> list[str]:
        """Methods with a result on a problem, in the order of the tasks."""
        return list(dict.fromkeys(method for p, method, _ in self.runs if p == problem))

    def of(self, problem: str, method: str) -> list[RunResult]:
        """Results of a method on a problem, by seed."""
        keys = sorted(key for key in self.runs if key[:2] == (problem, method))
        return [self.runs[key] for key in keys]

    def values(
        self, problem: str, method: str, of: Callable[[RunResult], Sequence[float]] = lambda run: run.psnr
    ) -> Values:
        """A quantity per seed and image; raises InputError where there is no result."""
        found = self.of(problem, method)
        if not found:
            raise InputError(f"There is no result of {method!r} on {problem!r}.")
        return np.asarray([of(run) for run in found], dtype=np.float64)


def collect(tasks: Sequence[Task], results: Path) -> Collection:
    """The results of tasks that are there; those that are damaged or of another recipe are named and left out."""
    runs, wrong = {}, []
    for task in tasks:
        try:
            result = existing_result(task, results)
        except DataFormatError as error:
            wrong.append(str(error))
            continue
        if result is not None:
            runs[task.problem, task.method, task.seed] = result
    return Collection(runs, tuple(wrong))
