"""Tables and figures of a study, each with its data beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eiwork.errors import DataFormatError
from eiwork.figures import DescribedFigure, figure_png, intervals
from eiwork.files import write_atomically, write_text_atomically
from eiwork_study.ablation_table import ablation_markdown, ablation_rows, is_ablation
from eiwork_study.budgets import BUDGETS, at_equal_budgets, curve
from eiwork_study.collection import Collection
from eiwork_study.figures.study import cost_curves
from eiwork_study.methods import title, zero
from eiwork_study.tables import Row, as_csv, as_data, markdown, table_rows

_CURVES = ("steps", "wall clock (s)", "NFE")
_COMPARED = ("ei", "ei-jfb")


def write_report(collection: Collection, results: Path, note: str = "") -> list[Row]:
    """Write tables/methods.{json,csv,md}, tables/budgets.json and figures/*.png with their data; returns the rows.

    note: a sentence put into every table and figure text, such as that the run was a quick one. Files of figures:
    PROBLEM-methods and PROBLEM-curves, .json with the numbers and the alternative text.
    Ablations have a table of their own, tables/ablation.{json,md}.
    Raises DataFormatError where a file cannot be written.
    """
    tables = results / "tables"
    changes = ablation_rows(collection)
    if changes:
        _write_json(tables / "ablation.json", {"note": note, "rows": [asdict(row) for row in changes]})
        _write(tables / "ablation.md", (f"{note}\n\n" if note else "") + ablation_markdown(changes))
    collection = Collection({key: run for key, run in collection.runs.items() if not is_ablation(key[1])})
    rows = table_rows(collection)
    if not rows:
        return []
    _write_json(tables / "methods.json", {"note": note, "rows": as_data(rows)})
    _write(tables / "methods.csv", as_csv(rows))
    _write(tables / "methods.md", (f"{note}\n\n" if note else "") + markdown(rows))
    _write_json(tables / "budgets.json", {"note": note, "rows": budget_rows(collection)})
    for problem in collection.problems():
        own = [row for row in rows if row.problem == problem]
        _save_figure(results, f"{problem}-methods", *_methods_figure(collection, own, note))
        curves = _curves(collection, problem)
        if curves:
            _save_figure(results, f"{problem}-curves", cost_curves(curves, description=note), {"curves": curves})
    return rows


def budget_rows(collection: Collection) -> list[dict[str, Any]]:
    """Implicit minus Jacobian-free at equal budgets, for every problem that has both for the same seeds."""
    found = []
    for problem in collection.problems():
        pair = [[run for run in collection.of(problem, method) if run.history] for method in _COMPARED]
        seeds = [[run.seed for run in runs] for runs in pair]
        if seeds[0] and seeds[0] == seeds[1]:
            rows = at_equal_budgets(*pair)
            found += [{"problem": problem, "seeds": seeds[0], **asdict(row)} for row in rows]
    return found


def _methods_figure(collection: Collection, rows: Sequence[Row], note: str) -> tuple[DescribedFigure, dict[str, Any]]:
    problem = rows[0].problem
    linear = [row.psnr.mean for row in rows if row.method == zero(problem)]
    points = [collection.values(problem, row.method).mean(axis=1).tolist() for row in rows]
    figure = intervals(
        [row.title for row in rows],
        [row.psnr.mean for row in rows],
        [row.psnr.lower for row in rows],
        [row.psnr.upper for row in rows],
        n_images=rows[0].n_images,
        n_seeds=max(row.n_seeds for row in rows),
        points=points,
        reference=(title(zero(problem)), linear[0]) if linear else None,
        description=f"{note} {problem}.".strip(),
    )
    return figure, {"rows": as_data(list(rows)), "seed_means": points}


def _curves(collection: Collection, problem: str) -> dict[str, dict[str, list[tuple[list[float], list[float]]]]]:
    runs = {method: collection.of(problem, method) for method in collection.methods(problem)}
    trained = {method: own for method, own in runs.items() if own[0].history}
    found: dict[str, dict[str, list[tuple[list[float], list[float]]]]] = {}
    for budget in BUDGETS if trained else ():
        if budget not in _CURVES:
            continue
        per_method = {}
        for method, own in trained.items():
            curves = [curve(run, budget) for run in own]
            if all(x[-1] > 0 for x, _ in curves):
                per_method[title(method)] = [(x.tolist(), y.tolist()) for x, y in curves]
        if per_method:
            found[budget] = per_method
    return found


def _save_figure(results: Path, name: str, figure: DescribedFigure, values: dict[str, Any]) -> None:
    folder = results / "figures"
    picture = figure_png(figure)
    write_atomically(folder / f"{name}.png", lambda path: path.write_bytes(picture), DataFormatError)
    _write_json(folder / f"{name}.json", {"alt_text": figure.alt_text, **values})


def _write_json(path: Path, values: dict[str, Any]) -> None:
    _write(path, json.dumps(values, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    write_text_atomically(path, text, DataFormatError)
