"""Tables of the study: rows that a notebook, a terminal and a file show alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from eiwork.results.intervals import Interval, mean_interval
from eiwork.results.runs import Collection, Runs, committed
from eiwork.results.verdict import Comparison, compare, gap_closure


@dataclass(frozen=True)
class Table:
    """Rows, shown by columns: name -> text of a row."""

    title: str
    rows: tuple[Any, ...]
    columns: Mapping[str, Callable[[Any], str]]

    def sorted(self, by: Callable[[Any], Any], *, descending: bool = True) -> "Table":
        """The same rows by a key, such as `lambda row: row.psnr.mean`; rows whose key is None come last."""
        ranked = sorted((row for row in self.rows if by(row) is not None), key=by, reverse=descending)
        rest = [row for row in self.rows if by(row) is None]
        return Table(self.title, (*ranked, *rest), self.columns)

    def cells(self) -> list[list[str]]:
        """Every row as texts."""
        return [[text(row) for text in self.columns.values()] for row in self.rows]

    def markdown(self) -> str:
        """As Markdown, with its title as a heading."""
        lines = [list(self.columns), ["---"] * len(self.columns), *self.cells()]
        return f"### {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>" for cells in self.cells())
        return f"<table><caption>{escape(self.title)}</caption><tr>{head}</tr>{body}</table>"

    def __repr__(self) -> str:
        lines = [list(self.columns), *self.cells()]
        widths = [max(len(line[n]) for line in lines) for n in range(len(self.columns))]
        texts = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)
        return "\n".join((self.title, *texts))


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method on a problem. psnr in dB; over_ei: PSNR minus that of EI from random weights; nfe at tolerance 1e-4.

    gap, over_ei, nfe, converged_share are None where they do not apply. seconds: of a training, mean.
    """

    problem: str
    method: str
    title: str
    n_trainings: int
    psnr: Interval
    ssim: Interval
    gap: Comparison | None
    over_ei: Comparison | None
    nfe: float | None
    max_nfe: int | None
    converged_share: float | None
    seconds: float


COLUMNS: dict[str, Callable[[Row], str]] = {
    "method": lambda row: row.title,
    "trainings": lambda row: str(row.n_trainings),
    "PSNR (dB)": lambda row: f"{row.psnr.mean:.2f} [{row.psnr.lower:.2f}, {row.psnr.upper:.2f}]",
    "SSIM": lambda row: f"{row.ssim.mean:.3f}",
    "gap closure": lambda row: f"{row.gap.interval.mean:.2f}" if row.gap else "",
    "minus EI": lambda row: row.over_ei.text if row.over_ei else "",
    "NFE": lambda row: "" if row.nfe is None else f"{row.nfe:.1f} (max {row.max_nfe})",
    "converged": lambda row: "" if row.converged_share is None else share_text(row.converged_share),
    "training (s)": lambda row: f"{row.seconds:.0f}",
}


def table(
    problem: str, methods: Sequence[str] | None = None, *, folder: Path | None = None, runs: Collection | None = None
) -> Table:
    """A row for each method (labels such as "ei@bodies"; by default all without a variant) on a problem; see `Row`.

    Raises InputError for a method without a run.
    """
    collection = committed(folder) if runs is None else runs
    plain = [label for label in collection.labels(problem) if "+" not in label]
    labels = list(methods or plain) or ["ei"]
    found = [collection.get(problem, label) for label in labels]
    title = f"{problem}, {len(found[0].runs[0].psnr)} test images"
    return Table(title, tuple(_row(own, collection) for own in found), COLUMNS)


def ledger(claims: Mapping[str, Sequence[Comparison]], title: str = "Ledger of claims") -> Table:
    """Claims beside their numbers, each with its verdict: a row for each number, no count of votes."""
    rows = tuple((claim, number) for claim, numbers in claims.items() for number in numbers)
    columns = {
        "claim": lambda row: row[0],
        "number": lambda row: row[1].name,
        "value": lambda row: row[1].text.rpartition(": ")[0],
        "verdict": lambda row: row[1].verdict,
    }
    return Table(title, rows, columns)


def share_text(share: float) -> str:
    """A share in percent, which says 100 % (or 0 %) of nothing less than all (or more than none)."""
    if 0 < share < 1 and f"{share:.0%}" in ("0%", "100%"):
        return f"{min(max(share, 0.001), 0.999):.1%}"
    return f"{share:.0%}"


def _row(own: Runs, collection: Collection) -> Row:
    reference = collection.of(own.problem, "ei")
    paired = not own.trained or {run.seed for run in own} & {run.seed for run in reference}
    nfe = [n for run in own for n in run.nfe or ()]
    converged = [c for run in own for c in run.converged or ()]
    return Row(
        problem=own.problem,
        method=own.label,
        title=own.title,
        n_trainings=len(own),
        psnr=mean_interval(own.values()),
        ssim=mean_interval(own.values("ssim")),
        gap=gap_closure(own, runs=collection) if collection.of(own.problem, "supervised") else None,
        over_ei=compare(own, Runs(tuple(reference))) if reference and paired and own.label != "ei" else None,
        nfe=sum(nfe) / len(nfe) if nfe else None,
        max_nfe=max(nfe, default=None),
        converged_share=sum(converged) / len(converged) if converged else None,
        seconds=sum(run.seconds for run in own) / len(own),
    )
