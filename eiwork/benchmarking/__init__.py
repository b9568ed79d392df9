"""Side by side with deepinv's DEQ and torchdeq: same weights, physics, data and iteration, in one run."""

from eiwork.benchmarking.comparison import (
    AXES,
    BenchSettings,
    as_json,
    bars,
    check_axes,
    quick_settings,
    run,
)
from eiwork.benchmarking.figure import bars_figure
from eiwork.benchmarking.installed import has_torchdeq, libraries
from eiwork.benchmarking.outcome import Bar, Outcome
from eiwork.benchmarking.table import bar_line, outcome_table

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
