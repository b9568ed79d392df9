"""What each ingredient is worth: every ablation beside the same short training with nothing changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eiwork.errors import InputError
from eiwork_study.ablation import PREFIX, REFERENCE, STEPS
from eiwork_study.collection import Collection
from eiwork_study.compared import student_interval
from eiwork_study.result import RunResult
from eiwork_study.statistics import Interval, paired_difference, share_text


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """One change. psnr: dB, mean over seeds and test images. difference: to the training with nothing changed.

    difference has the bootstrap interval over images, and over seeds where there are several. cost: processor time of
    the training over that of the reference, None where they ran on several kinds of processor. converged_share, nfe: at
    tolerance 1e-4, over test images.
    """

    problem: str
    change: str
    n_seeds: int
    psnr: float
    difference: Interval
    cost: float | None
    converged_share: float
    nfe: float


def is_ablation(method: str) -> bool:
    """Whether a method is an ablation."""
    return method.startswith(PREFIX)


def ablation_rows(collection: Collection) -> list[AblationRow]:
    """Every ablation of every problem that has the reference with the same seeds, the largest loss first."""
    rows = []
    for problem in collection.problems():
        names = [name for name in collection.methods(problem) if is_ablation(name)]
        reference = collection.of(problem, PREFIX + REFERENCE)
        for name in names:
            own = collection.of(problem, name)
            matched = [run for run in reference if run.seed in {r.seed for r in own}]
            if len(matched) != len(own):
                continue
            psnr = np.asarray([run.psnr for run in own])
            found = paired_difference(psnr, np.asarray([run.psnr for run in matched]))
            rows.append(
                AblationRow(
                    problem=problem,
                    change=name.removeprefix(PREFIX),
                    n_seeds=len(own),
                    psnr=float(psnr.mean()),
                    difference=found.interval,
                    cost=_cost(own, matched),
                    converged_share=float(np.mean([run.converged for run in own])),
                    nfe=float(np.mean([run.nfe for run in own])),
                )
            )
    return sorted(rows, key=lambda row: (row.problem, row.difference.mean))


def _cost(own: Sequence[RunResult], reference: Sequence[RunResult]) -> float | None:
    if len({run.machine.get("processor") for run in (*own, *reference)}) > 1:
        return None
    return sum(run.cpu_seconds for run in own) / sum(run.cpu_seconds for run in reference)


def seed_reach(runs: Sequence[RunResult], n_seeds: int = 1) -> float:
    """How far apart (dB) two ways of training that are the same may end by the luck of their seeds, 95 % of the time.

    runs: trainings of one recipe, at least two seeds; n_seeds: trainings in each of the two means that are compared.
    Student's t with the spread of the runs' mean PSNR, for normal luck. Raises InputError for a single run.
    """
    own = student_interval([float(np.mean(run.psnr)) for run in runs])
    if own is None or n_seeds < 1:
        raise InputError(f"{len(runs)} runs say nothing of the luck of a seed: train the recipe with two or more.")
    return (own.upper - own.mean) * float(np.sqrt(2 * len(runs) / n_seeds))


def ablation_markdown(rows: list[AblationRow]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        f"Trainings of {STEPS} steps. Differences to the one with nothing changed, with 95 % bootstrap intervals.",
        "Processor time is compared where both ran on one kind of processor.",
        "",
        "| problem | change | seeds | PSNR (dB) | difference (dB) | processor time | converged | NFE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        d, cost = row.difference, "" if row.cost is None else f"{row.cost:.2f}x"
        lines.append(
            f"| {row.problem} | {row.change} | {row.n_seeds} | {row.psnr:.2f} | {d.mean:+.2f} [{d.lower:+.2f}, "
            f"{d.upper:+.2f}] | {cost} | {share_text(row.converged_share)} | {row.nfe:.1f} |"
        )
    return "\n".join(lines) + "\n"
