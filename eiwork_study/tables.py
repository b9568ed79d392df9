"""Tables of a study, as files: methods, variants beside what they change, and methods at equal budgets."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from eiwork.errors import DataFormatError, InputError, choices
from eiwork.files import write_text_atomically
from eiwork.results import RunResult, Runs, compare, mean_interval, table
from eiwork.table import Table
from eiwork_study.methods import SHORT

Entry = dict[str, float]
_TOTALS = ("total_forward", "total_adjoint", "total_tracked")
BUDGETS: dict[str, Callable[[Entry], float]] = {
    "steps": lambda entry: entry["step"],
    "wall clock (s)": lambda entry: entry["seconds"],
    "processor time (s)": lambda entry: entry["cpu_seconds"],
    "NFE": lambda entry: sum(entry.get(name, 0.0) for name in _TOTALS),
}


def write_report(study: Runs, results: Path, note: str = "") -> list[Table]:
    """Write tables/{methods,variants,budgets}.{json,md}, methods also as .csv; returns the tables of methods.

    note: a sentence put into every table, such as that the run was a quick one. Raises DataFormatError where a file
    cannot be written.
    """
    folder, problems = results / "tables", study.problems()
    plain = [p for p in problems if any("+" not in label for label in study.labels(p))]
    methods = [table(problem, runs=study) for problem in plain]
    found, written = {"methods": methods}, dict[str, str]()
    for name, title, of in (
        ("variants", "Variants, minus what they change", variant_rows),
        ("budgets", "Implicit minus Jacobian-free gradients at equal budgets", budget_rows),
    ):
        rows = [row for problem in problems for row in of(study, problem)]
        found[name] = [Table(rows, title)] if rows else []
    for name, tables in found.items():
        if tables:
            values = {"note": note, "tables": {own.title: own.rows for own in tables}}
            written[f"{name}.json"] = json.dumps(values, indent=1) + "\n"
            written[f"{name}.md"] = "\n\n".join([note] * bool(note) + [markdown(own) for own in tables]) + "\n"
    if methods:
        flat = [{"problem": own.title.partition(",")[0]} | row for own in methods for row in own.rows]
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        written["methods.csv"] = buffer.getvalue()
    for name, text in written.items():
        write_text_atomically(folder / name, text, DataFormatError)
    return methods


def variant_rows(study: Runs, problem: str) -> list[dict[str, Any]]:
    """Every variant of a problem minus what it changes: the short ones minus the short training, the rest in full."""
    rows = []
    for label in (label for label in study.labels(problem) if "+" in label):
        own = study.get(problem, label)
        first = own[0]
        variant = first.variant or ""
        short = f"{first.method}+{SHORT}" if variant.startswith(f"{SHORT}-") else ""
        start = f"@{first.start}" if first.start else ""
        reference = study.of(problem, short or first.method + start)
        if variant == SHORT or not own.seeds & reference.seeds:
            continue
        found = compare(own, reference)
        rows.append(
            {
                "problem": problem,
                "training": own.title,
                "trainings": found.n_trainings,
                "PSNR (dB)": float(own.values().mean()),
                "difference": found.text,
                "processor time": _cost(own, reference),
            }
        )
    return rows


def curve(run: RunResult, budget: str) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """(spent, held-out PSNR) along a training; raises InputError for a run without history or an unknown budget."""
    if budget not in BUDGETS:
        raise InputError(f"There is no budget {budget!r}: {choices(budget, BUDGETS, 'BUDGETS')}.")
    if not run.history:
        raise InputError(f"{run.problem}/{run.label}-{run.seed} has no training curve.")
    spent = [BUDGETS[budget](entry) for entry in run.history]
    return np.asarray(spent), np.asarray([entry["held_out_psnr"] for entry in run.history])


def psnr_at(run: RunResult, budget: str, spent: float) -> float:
    """Held-out PSNR after a budget, linear between monitored steps; raises InputError beyond the curve."""
    x, y = curve(run, budget)
    if not x[0] <= spent <= x[-1] * (1 + 1e-9):
        raise InputError(f"The curve over {budget} spans {x[0]:g} to {x[-1]:g}; {spent:g} is not on it.")
    return float(np.interp(spent, x, y))


def budget_rows(study: Runs, problem: str, one: str = "ei", other: str = "ei-jfb") -> list[dict[str, Any]]:
    """One method minus another in held-out PSNR (dB) at equal steps, time and evaluations, seed by seed.

    The budget of a seed is what the cheaper of its two trainings spent in all; the dearer one is read where it had
    spent as much. Its learning rate, on a schedule over all steps, is then still high, to its disadvantage.
    """
    first, second = ({run.seed: run for run in study.of(problem, label)} for label in (one, other))
    pairs = [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]
    rows: list[dict[str, Any]] = []
    for budget in BUDGETS if pairs else ():
        spent = [min(curve(run, budget)[0][-1] for run in pair) for pair in pairs]
        differences = [
            psnr_at(a, budget, limit) - psnr_at(b, budget, limit) for (a, b), limit in zip(pairs, spent, strict=True)
        ]
        own = mean_interval(np.asarray(differences)[:, None])
        row = {"problem": problem, "at equal": budget, "spent": float(np.mean(spent)), "difference (dB)": own.mean}
        ends = {"95 %": f"[{own.lower:+.2f}, {own.upper:+.2f}]"}
        rows.append(row | ends | {"by seed": ", ".join(f"{value:+.2f}" for value in differences)})
    return rows


def markdown(own: Table) -> str:
    """A table as Markdown, under its title."""

    def text(value: Any) -> str:
        return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    lines = [list(own.columns), ["---"] * len(own.columns)]
    lines += [[text(row.get(name)) for name in own.columns] for row in own.rows]
    return f"### {own.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cost(own: Runs, reference: Runs) -> float | None:
    """Processor time over the reference's, of the same seeds; None where they ran on several kinds of processor."""
    common = own.seeds & reference.seeds
    ours, theirs = ([run for run in runs if run.seed in common] for runs in (own, reference))
    if len({run.machine.get("processor") for run in (*ours, *theirs)}) > 1:
        return None
    return sum(run.cpu_seconds for run in ours) / sum(run.cpu_seconds for run in theirs)
