"""One run of the comparison: the chosen axes, in one process, with the machine's description."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch

from eiwork.errors import InputError
from eiwork.provenance import code_version, machine
from eiwork_study.benchmarks import accuracy, memory, nfe, shares, step
from eiwork_study.benchmarks.accuracy import AccuracySettings
from eiwork_study.benchmarks.library import Library
from eiwork_study.benchmarks.nfe import NFESettings
from eiwork_study.benchmarks.outcome import Bar, Outcome
from eiwork_study.benchmarks.step import StepSettings

AXES = ("accuracy", "nfe", "step", "memory", "profile")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """The settings of every axis; memory and profile measure the step of `step`."""

    accuracy: AccuracySettings = dataclasses.field(default_factory=AccuracySettings)
    nfe: NFESettings = dataclasses.field(default_factory=NFESettings)
    step: StepSettings = dataclasses.field(default_factory=StepSettings)
    quick: bool = False


def quick_settings() -> BenchSettings:
    """Minutes instead of an hour: fewer images and a smaller step; its bars say little about those of the full run."""
    return BenchSettings(
        accuracy=AccuracySettings(radii=(0.75, 0.98)),
        nfe=NFESettings(n_search=1, n_images=3),
        step=StepSettings(image_size=64, batch=2, repeats=3),
        quick=True,
    )


def check_axes(names: Sequence[str]) -> list[str]:
    """The axes asked for, all of them for none, in the order in which they run; InputError for an unknown one."""
    if unknown := [name for name in names if name not in AXES]:
        raise InputError(f"There is no axis {unknown[0]!r}: choose among {', '.join(AXES)}.")
    return [name for name in AXES if not names or name in names]


def run(
    libraries: Sequence[Library],
    axes: Sequence[str] = (),
    settings: BenchSettings | None = None,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Measure the axes side by side; `on_outcome` sees each when it is there. Raises InputError for an unknown axis."""
    chosen, settings = check_axes(axes), BenchSettings() if settings is None else settings
    outcomes: list[Outcome] = []

    def add(outcome: Outcome) -> None:
        outcomes.append(outcome)
        on_outcome(outcome)

    if "accuracy" in chosen:
        add(accuracy.run(libraries, settings.accuracy))
    if "nfe" in chosen:
        add(nfe.run(libraries, settings.nfe))
    if {"step", "memory", "profile"} & set(chosen):
        outcome, found = step.run(libraries, settings.step)
        if "step" in chosen:
            add(outcome)
        if "memory" in chosen:
            add(memory.run(found, settings.step))
        if "profile" in chosen:
            add(shares.run(found, settings.step))
    return outcomes


def bars(outcomes: Sequence[Outcome]) -> list[Bar]:
    """The bars of all axes."""
    return [bar for outcome in outcomes for bar in outcome.bars]


def as_json(libraries: Sequence[Library], outcomes: Sequence[Outcome], quick: bool) -> dict[str, Any]:
    """The whole run as plain data: machine, versions, settings, rows, bars."""
    return {
        "benchmark": "side by side with other implementations of implicit layers",
        "quick": quick,
        "machine": machine() | {"gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None},
        "code": code_version(),
        "libraries": {library.name: library.version for library in libraries},
        "axes": {outcome.axis: outcome.as_json() for outcome in outcomes},
        "all_met": all(bar.met for bar in bars(outcomes)),
    }
