"""The committed study, for lessons and readers: runs, tables, comparisons, and one rule for verdicts."""

from eiwork.results.runs import RunResult, Runs, committed, label_of, load, load_result, results_folder
from eiwork.results.verdict import (
    Comparison,
    Interval,
    compare,
    gap_closure,
    ledger,
    mean_interval,
    measured,
    student_interval,
    table,
    verdict_of,
)

__all__ = [
    "Comparison",
    "Interval",
    "RunResult",
    "Runs",
    "committed",
    "compare",
    "gap_closure",
    "label_of",
    "ledger",
    "load",
    "load_result",
    "mean_interval",
    "measured",
    "results_folder",
    "student_interval",
    "table",
    "verdict_of",
]
