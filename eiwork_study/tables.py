"""The table of a study: one row per problem and method, with intervals, as data and as text."""

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any

from eiwork.training.counting import total_nfe
from rich.table import Table

from eiwork_study.collection import Collection
from eiwork_study.compared import common_values
from eiwork_study.methods import REFERENCE, oracle, title, zero
from eiwork_study.statistics import Interval, gap_closure, mean_interval, paired_difference, share_text


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method on a problem. psnr in dB; gap: closure between `zero` and `oracle`; difference: PSNR minus that of "ei".

    gap and difference are of the seeds that all their methods have.
    nfe: mean and largest over images and seeds at tolerance 1e-4, with the share of images that reached it; seconds
    of training, mean over seeds. None where it does not apply or a run that it needs is missing.
    """

    problem: str
    method: str
    title: str
    n_seeds: int
    n_images: int
    psnr: Interval
    ssim: Interval
    gap: Interval | None
    difference: Interval | None
    p_value: float | None
    nfe: float | None
    max_nfe: int | None
    converged_share: float | None
    seconds: float
    training_nfe: float | None


def table_rows(collection: Collection) -> list[Row]:
    """A row for every problem and method with results."""
    return [
        _row(collection, problem, method) for problem in collection.problems() for method in collection.methods(problem)
    ]


def _row(collection: Collection, problem: str, method: str) -> Row:
    runs = collection.of(problem, method)
    psnr = collection.values(problem, method)
    gap = difference = None
    ends = common_values(collection, problem, [method, zero(problem), oracle(method)])
    if ends is not None and ends[2].mean() > ends[1].mean():
        gap = gap_closure(*ends)
    pair = common_values(collection, problem, [method, REFERENCE])
    if method != REFERENCE and pair is not None:
        difference = paired_difference(*pair)
    nfe = [n for run in runs for n in run.nfe or ()]
    converged = [c for run in runs for c in run.converged or ()]
    training = [total_nfe(run.totals) for run in runs if run.totals]
    return Row(
        problem=problem,
        method=method,
        title=title(method),
        n_seeds=len(runs),
        n_images=psnr.shape[1],
        psnr=mean_interval(psnr),
        ssim=mean_interval(collection.values(problem, method, lambda run: run.ssim)),
        gap=gap,
        difference=None if difference is None else difference.interval,
        p_value=None if difference is None else difference.p_value,
        nfe=sum(nfe) / len(nfe) if nfe else None,
        max_nfe=max(nfe) if nfe else None,
        converged_share=sum(converged) / len(converged) if converged else None,
        seconds=sum(run.seconds for run in runs) / len(runs),
        training_nfe=sum(training) / len(training) if training else None,
    )


_COLUMNS = (
    ("method", lambda row: row.title),
    ("seeds", lambda row: str(row.n_seeds)),
    ("PSNR (dB)", lambda row: _interval(row.psnr, 2)),
    ("SSIM", lambda row: _interval(row.ssim, 3)),
    ("gap closure", lambda row: _interval(row.gap, 2)),
    ("minus EI (dB)", lambda row: _interval(row.difference, 2)),
    ("p", lambda row: "" if row.p_value is None else f"{row.p_value:.1g}"),
    ("NFE", lambda row: "" if row.nfe is None else f"{row.nfe:.1f} (max {row.max_nfe})"),
    ("converged", lambda row: "" if row.converged_share is None else share_text(row.converged_share)),
    ("training (s)", lambda row: f"{row.seconds:.0f}"),
)


_WIDE = 170
# What a terminal of 80 columns can show without cutting a number.
_NARROW_COLUMNS = (
    ("method", lambda row: row.method),
    ("seeds", lambda row: str(row.n_seeds)),
    ("PSNR", lambda row: f"{row.psnr.mean:.2f}"),
    ("SSIM", lambda row: f"{row.ssim.mean:.3f}"),
    ("gap", lambda row: "" if row.gap is None else f"{row.gap.mean:.2f}"),
    ("minus EI", lambda row: "" if row.difference is None else f"{row.difference.mean:+.2f}"),
    ("NFE", lambda row: "" if row.max_nfe is None else str(row.max_nfe)),
    ("solved", lambda row: "" if row.converged_share is None else share_text(row.converged_share)),
)


def _interval(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    return f"{interval.mean:.{digits}f} [{interval.lower:.{digits}f}, {interval.upper:.{digits}f}]"


def rich_tables(rows: list[Row], width: int = _WIDE) -> list[Table]:
    """One table per problem for a terminal of `width` characters; below 170 means alone, and the caption says so."""
    narrow, tables = width < _WIDE, []
    columns = _NARROW_COLUMNS if narrow else _COLUMNS
    caption = "Means; largest NFE. Intervals: tables/methods.md, or a wider terminal." if narrow else None
    for problem in dict.fromkeys(row.problem for row in rows):
        of = "means" if narrow else "means with 95 % bootstrap intervals"
        table = Table(title=f"{problem}: {of} over images and seeds", caption=caption)
        for name, _ in columns:
            table.add_column(name, justify="left" if name == "method" else "right", no_wrap=narrow)
        for row in rows:
            if row.problem == problem:
                table.add_row(*(text(row) for _, text in columns))
        tables.append(table)
    return tables


def markdown(rows: list[Row]) -> str:
    """The tables as Markdown, a heading per problem."""
    parts = []
    for problem in dict.fromkeys(row.problem for row in rows):
        own = [row for row in rows if row.problem == problem]
        lines = [
            "| " + " | ".join(name for name, _ in _COLUMNS) + " |",
            "|" + "|".join("---" if name == "method" else "---:" for name, _ in _COLUMNS) + "|",
            *("| " + " | ".join(text(row) for _, text in _COLUMNS) + " |" for row in own),
        ]
        parts.append(f"### {problem} ({own[0].n_images} test images)\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def as_data(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows as plain values for JSON."""
    return [asdict(row) for row in rows]


def as_csv(rows: list[Row]) -> str:
    """The rows as CSV, intervals as three columns each."""
    flat = []
    for row in as_data(rows):
        values: dict[str, Any] = {}
        for key, value in row.items():
            if isinstance(value, dict):
                values |= {key: value["mean"], f"{key}_lower": value["lower"], f"{key}_upper": value["upper"]}
            elif key in ("gap", "difference"):
                values |= {key: None, f"{key}_lower": None, f"{key}_upper": None}
            else:
                values[key] = value
        flat.append(values)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(flat[0]) if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return buffer.getvalue()
