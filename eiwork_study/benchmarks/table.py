"""The comparison on the terminal: a table for each axis and one line for each bar."""

import math
from typing import Any

from rich.table import Table
from rich.text import Text

from eiwork_study.benchmarks.outcome import Bar, Outcome

_HIDDEN = ("all_seconds", "largest", "n_images", "budget_backward")


def number(value: Any) -> str:
    """A figure in four digits, a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else str(value)
    return str(value)


def outcome_table(outcome: Outcome) -> Table:
    """One row per measurement; lists and dictionaries stay in the JSON."""
    columns = [key for key in outcome.rows[0] if key not in _HIDDEN] if outcome.rows else []
    table = Table(*(column.replace("_", " ") for column in columns), title=outcome.title)
    for row in outcome.rows:
        table.add_row(*(Text(number(row[column])) for column in columns))
    return table


def bar_line(bar: Bar) -> Text:
    """`met` or `NOT met`, the name, the figure and the limit."""
    verdict = "met" if bar.met else "NOT met"
    text = f"{verdict}: {bar.name}: {number(bar.value)} ({bar.sense} {number(bar.limit)})"
    return Text(text, style="green" if bar.met else "bold red")
