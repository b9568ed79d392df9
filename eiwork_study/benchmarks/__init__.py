"""Side by side with deepinv's DEQ and torchdeq: same weights, physics, data and iteration, in one run."""

from eiwork_study.benchmarks.comparison import (
    AXES,
    BenchSettings,
    as_json,
    bars,
    check_axes,
    quick_settings,
    run,
)
from eiwork_study.benchmarks.figure import bars_figure
from eiwork_study.benchmarks.installed import has_torchdeq, libraries
from eiwork_study.benchmarks.outcome import Bar, Outcome
from eiwork_study.benchmarks.table import bar_line, outcome_table

__all__ = [
    "AXES",
    "Bar",
    "BenchSettings",
    "Outcome",
    "as_json",
    "bar_line",
    "bars",
    "bars_figure",
    "check_axes",
    "has_torchdeq",
    "libraries",
    "outcome_table",
    "quick_settings",
    "run",
]
