"""Comparisons on the same images and seeds, and the one rule that turns them into verdicts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from eiwork.errors import InputError
from eiwork.results.intervals import Interval, Values, closure_interval, mean_interval, student_interval
from eiwork.results.runs import Collection, Runs, committed, labelled

Verdict = Literal["supported", "open", "not supported"]
MIN_TRAININGS = 3


def verdict_of(interval: Interval, over_trainings: Interval | None, n_trainings: int, target: float = 0.0) -> Verdict:
    """What a number says of "a way of training is above the target"; the rule is ours, and the same on both sides.

    open: fewer than three trainings. supported: the bootstrap's interval and Student's over trainings lie above the
    target; not supported: both lie below; else open.
    """
    if n_trainings < MIN_TRAININGS or over_trainings is None:
        return "open"
    if min(interval.lower, over_trainings.lower) > target:
        return "supported"
    return "not supported" if max(interval.upper, over_trainings.upper) < target else "open"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A number that a claim wants above `target`, with intervals over images and trainings, and trainings."""

    name: str
    interval: Interval
    over_trainings: Interval | None
    n_trainings: int
    n_images: int
    target: float = 0.0
    unit: str = "dB"

    @property
    def verdict(self) -> Verdict:
        """As `verdict_of`."""
        return verdict_of(self.interval, self.over_trainings, self.n_trainings, self.target)

    @property
    def text(self) -> str:
        """Mean, the outer ends of both intervals, trainings and verdict."""
        both = [self.interval] + ([self.over_trainings] if self.over_trainings else [])
        low, high = min(i.lower for i in both), max(i.upper for i in both)
        trainings = f"{self.n_trainings} training{'s' if self.n_trainings > 1 else ''}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.interval.mean:+.2f}{unit} [{low:+.2f}, {high:+.2f}], {trainings}: {self.verdict}"

    def __repr__(self) -> str:
        return f"{self.name}: {self.text}"


def measured(name: str, values: Values, unit: str = "dB") -> Comparison:
    """The comparison that a matrix of differences (training, image) amounts to."""
    return Comparison(
        name=name,
        interval=mean_interval(values),
        over_trainings=student_interval(values.mean(axis=1).tolist()),
        n_trainings=values.shape[0],
        n_images=values.shape[1],
        unit=unit,
    )


def compare(
    a: str | Runs, b: str | Runs, problem: str = "", *, quantity: str = "psnr", folder: Path | None = None
) -> Comparison:
    """One way of training minus another, of the seeds that both have, image by image.

    a, b: labels such as "ei" or "ei-cycle@bodies", or what `load` gives. Without training one run serves every seed.
    Raises InputError for what was not run, and for no common seed.
    """
    one, other = (runs if isinstance(runs, Runs) else labelled(problem, runs, folder) for runs in (a, b))
    fixed = [not runs.trained and len(runs) == 1 for runs in (one, other)]
    seeds = [{run.seed for run in runs} for runs, once in zip((one, other), fixed, strict=True) if not once]
    common = set.intersection(*seeds) if seeds else {one.runs[0].seed}
    if not common or one.problem != other.problem:
        raise InputError(f"{one!r} and {other!r} have no seed in common, or are of two problems: nothing to pair.")
    rows = [
        runs.values(quantity)[[once or run.seed in common for run in runs]]
        for runs, once in zip((one, other), fixed, strict=True)
    ]
    name = f"{one.problem}: {one.label} - {other.label}"
    return measured(name, np.asarray(rows[0] - rows[1]), "dB" if quantity == "psnr" else "")


def gap_closure(
    method: str | Runs, problem: str = "", *, folder: Path | None = None, runs: Collection | None = None
) -> Comparison:
    """How far a method comes from the linear inverse (0) to supervised training from random weights (1), in PSNR.

    The oracle is the same for every method, all of its trainings; with several coils 0 is CG-SENSE, the usual linear
    reconstruction there. runs: where to look; by default the folder. Raises InputError where a run is missing.
    """
    collection = committed(folder) if runs is None else runs
    own = method if isinstance(method, Runs) else collection.get(problem, method)
    linear = "cg-sense" if collection.of(own.problem, "cg-sense") else "inverse"
    values, low, high = (
        own.values(),
        collection.get(own.problem, linear).values(),
        collection.get(own.problem, "supervised").values(),
    )
    per_training = (values.mean(axis=1) - low.mean()) / (high.mean() - low.mean())
    return Comparison(
        name=f"{own.problem}: gap closure of {own.label}",
        interval=closure_interval(values, low, high),
        over_trainings=student_interval(per_training.tolist()),
        n_trainings=len(values),
        n_images=values.shape[1],
        unit="",
    )
