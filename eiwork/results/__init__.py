"""The committed study, for lessons and readers: runs, tables, comparisons, and one rule for verdicts."""

from eiwork.results.intervals import Interval, mean_interval, student_interval
from eiwork.results.runs import Collection, RunResult, Runs, committed, label_of, load, load_result, results_folder
from eiwork.results.table import ledger, table
from eiwork.results.verdict import Comparison, compare, gap_closure, measured, verdict_of

__all__ = [
    "Collection",
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
