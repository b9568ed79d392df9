"""Tables of the study: rows of plain values that a notebook, a terminal and a file show alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eiwork.figures.table import Table
from eiwork.results.intervals import Interval, mean_interval
from eiwork.results.runs import Collection, Runs, committed
from eiwork.results.verdict import Comparison, compare, gap_closure


def table(
    problem: str,
    methods: Sequence[str] | None = None,
    *,
    sort: str = "",
    folder: Path | None = None,
    runs: Collection | None = None,
) -> Table:
    """A row for each method (labels such as "ei@bodies"; by default all without a variant) on a problem.

    PSNR in dB; minus EI: the difference to EI from random weights, with its verdict; NFE: evaluations of F to
    1e-4; seconds: of a training, mean. sort: a column, the largest first. Raises InputError for a method without a
    run.
    """
    collection = committed(folder) if runs is None else runs
    plain = [label for label in collection.labels(problem) if "+" not in label]
    found = [collection.get(problem, label) for label in list(methods or plain) or ["ei"]]
    rows = [_row(own, collection) for own in found]
    if sort:
        rows.sort(key=lambda row: float("-inf") if row[sort] is None else row[sort], reverse=True)
    return Table(rows, f"{problem}, {len(found[0].runs[0].psnr)} test images")


def ledger(claims: Mapping[str, Sequence[Comparison]], title: str = "Ledger of claims") -> Table:
    """Claims beside their numbers, each with its own verdict: no count of votes."""
    rows = [
        {"claim": claim, "number": number.name, "value": number.text.rpartition(": ")[0], "verdict": number.verdict}
        for claim, numbers in claims.items()
        for number in numbers
    ]
    return Table(rows, title)


def _row(own: Runs, collection: Collection) -> dict[str, Any]:
    reference = collection.of(own.problem, "ei")
    paired = not own.trained or {run.seed for run in own} & {run.seed for run in reference}
    over = compare(own, Runs(tuple(reference))) if reference and paired and own.label != "ei" else None
    gap = gap_closure(own, runs=collection) if collection.of(own.problem, "supervised") else None
    psnr, nfe = mean_interval(own.values()), [n for run in own for n in run.nfe or ()]
    converged = [c for run in own for c in run.converged or ()]
    return {
        "method": own.title,
        "label": own.label,
        "trainings": len(own) if own.trained else 0,
        "PSNR (dB)": psnr.mean,
        "95 %": _ends(psnr),
        "SSIM": float(own.values("ssim").mean()),
        "gap closure": gap and gap.interval.mean,
        "minus EI": over and over.text,
        "NFE": sum(nfe) / len(nfe) if nfe else None,
        "most NFE": max(nfe, default=None),
        "converged": share_text(sum(converged) / len(converged)) if converged else None,
        "seconds": sum(run.seconds for run in own) / len(own),
    }


def share_text(share: float) -> str:
    """A share in percent, which says 100 % (or 0 %) of nothing less than all (or more than none)."""
    if 0 < share < 1 and f"{share:.0%}" in ("0%", "100%"):
        return f"{min(max(share, 0.001), 0.999):.1%}"
    return f"{share:.0%}"


def _ends(interval: Interval) -> str:
    return f"[{interval.lower:.2f}, {interval.upper:.2f}]"
