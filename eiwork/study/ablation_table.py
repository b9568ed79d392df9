"""What each ingredient is worth: every ablation beside the same short training with nothing changed."""

from dataclasses import dataclass

import numpy as np

from eiwork.study.ablation import PREFIX, REFERENCE, STEPS
from eiwork.study.collection import Collection
from eiwork.study.statistics import Interval, paired_difference


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """One change. psnr: dB, mean over seeds and test images. difference: to the training with nothing changed.

    difference has the bootstrap interval over images, and over seeds where there are several. cost: processor time of
    the training over that of the reference. converged_share, nfe: at tolerance 1e-4, over test images.
    """

    problem: str
    change: str
    n_seeds: int
    psnr: float
    difference: Interval
    cost: float
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
                    cost=sum(run.cpu_seconds for run in own) / sum(run.cpu_seconds for run in matched),
                    converged_share=float(np.mean([run.converged for run in own])),
                    nfe=float(np.mean([run.nfe for run in own])),
                )
            )
    return sorted(rows, key=lambda row: (row.problem, row.difference.mean))


def ablation_markdown(rows: list[AblationRow]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        f"Trainings of {STEPS} steps. Differences to the one with nothing changed, with 95 % bootstrap intervals.",
        "",
        "| problem | change | seeds | PSNR (dB) | difference (dB) | processor time | converged | NFE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        d = row.difference
        lines.append(
            f"| {row.problem} | {row.change} | {row.n_seeds} | {row.psnr:.2f} | {d.mean:+.2f} [{d.lower:+.2f}, "
            f"{d.upper:+.2f}] | {row.cost:.2f}x | {row.converged_share:.0%} | {row.nfe:.1f} |"
        )
    return "\n".join(lines) + "\n"
