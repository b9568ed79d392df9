"""Tables, budgets and figures from results whose answers are known."""

import csv
import io
import json

import pytest
from rich.console import Console

from eiwork.errors import InputError
from eiwork_study.budgets import BUDGETS, at_equal_budgets, psnr_at
from eiwork_study.collection import Collection
from eiwork_study.report import write_report
from eiwork_study.tables import as_csv, markdown, rich_tables, table_rows


def history(step_seconds, gain, nfe):
    """A straight curve from 20 dB: ten monitored steps."""
    return [
        {
            "step": float(n),
            "seconds": n * step_seconds,
            "cpu_seconds": n * step_seconds,
            "total_forward": n * nfe,
            "total_adjoint": n * nfe,
            "total_tracked": 0.0,
            "held_out_psnr": 20 + gain * n,
        }
        for n in range(1, 11)
    ]


@pytest.fixture
def collection(make_result):
    runs = [make_result("inverse", psnr=(20.0, 24.0)), make_result("supervised", psnr=(24.0, 28.0))]
    for seed in (0, 1):
        curve = {"history": history(2.0, 0.4, 10.0), "nfe": [5, 9], "converged": [True, True]}
        runs += [
            make_result("ei", seed, (23.0, 27.0), **curve, totals={"total_forward": 7.0, "total_tracked": 2.0}),
            make_result("ei-jfb", seed, (22.0, 26.0), history=history(1.0, 0.3, 5.0)),
        ]
    return Collection({(run.problem, run.method, run.seed): run for run in runs})


def test_rows_say_what_the_results_say(collection):
    rows = {row.method: row for row in table_rows(collection)}
    assert rows["inverse"].gap.mean == 0
    assert rows["supervised"].gap.mean == 1
    assert (rows["ei"].gap.mean, rows["ei-jfb"].gap.mean) == (0.75, 0.5)
    assert rows["ei-jfb"].difference.mean == rows["ei-jfb"].difference.upper == -1
    assert rows["ei"].difference is None
    assert (rows["ei"].nfe, rows["ei"].max_nfe, rows["ei"].converged_share) == (7.0, 9, 1.0)
    assert rows["ei"].training_nfe == 11
    assert (rows["ei"].n_seeds, rows["ei"].n_images) == (2, 2)
    assert rows["inverse"].nfe is None


def test_without_an_oracle_there_is_no_gap(make_result):
    (row,) = table_rows(Collection({("mri", "ei", 0): make_result()}))
    assert (row.gap, row.difference) == (None, None)


def test_the_three_texts_hold_the_same_numbers(collection):
    rows = table_rows(collection)
    (table,) = rich_tables(rows)
    assert table.row_count == 4
    text = markdown(rows)
    assert "### mri (2 test images)" in text
    assert "0.75 [0.75, 0.75]" in text
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [float(row["psnr"]) for row in read] == [row.psnr.mean for row in rows]
    assert len({len(row) for row in read}) == 1


def test_a_narrow_terminal_shows_whole_numbers_without_intervals(collection):
    rows = table_rows(collection)
    console = Console(width=80, file=io.StringIO())
    console.print(*rich_tables(rows, console.width))
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "[" not in shown
    assert all(row.method in shown and f"{row.psnr.mean:.2f}" in shown for row in rows)
    console = Console(width=200, file=io.StringIO())
    console.print(*rich_tables(rows, console.width))
    assert f"{rows[0].psnr.mean:.2f} [{rows[0].psnr.lower:.2f}" in console.file.getvalue()


def test_equal_budgets_are_read_off_the_curves(collection):
    rows = {r.budget: r for r in at_equal_budgets(collection.of("mri", "ei"), collection.of("mri", "ei-jfb"))}
    assert rows.keys() == BUDGETS.keys()
    assert rows["steps"].spent == 10
    assert rows["steps"].difference.mean == pytest.approx(4.0 - 3.0)
    # The cheaper one ends at 10 s and 100 evaluations, where the other has done five steps.
    assert rows["wall clock (s)"].spent == 10
    assert rows["wall clock (s)"].difference.mean == pytest.approx(2.0 - 3.0)
    assert rows["NFE"].spent == 100
    assert rows["NFE"].per_seed == pytest.approx((-1.0, -1.0))
    half = at_equal_budgets(collection.of("mri", "ei"), collection.of("mri", "ei-jfb"), share=0.5)
    assert half[0].difference.mean == pytest.approx(0.5)


def test_a_budget_between_two_looks_is_interpolated(collection):
    (run, _) = collection.of("mri", "ei")
    assert psnr_at(run, "steps", 2.5) == pytest.approx(21.0)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda c: at_equal_budgets(c.of("mri", "ei"), c.of("mri", "ei-jfb")[:1]), "same seeds"),
        (lambda c: at_equal_budgets([], []), "same seeds"),
        (lambda c: psnr_at(c.of("mri", "ei")[0], "money", 1.0), "no budget 'money'"),
        (lambda c: psnr_at(c.of("mri", "ei")[0], "steps", 0.5), "is not on it"),
        (lambda c: psnr_at(c.of("mri", "inverse")[0], "steps", 0.5), "no training curve"),
    ],
)
def test_what_cannot_be_compared_is_told(collection, call, match):
    with pytest.raises(InputError, match=match):
        call(collection)


def test_the_report_is_files_with_their_data_and_texts(collection, tmp_path):
    write_report(collection, tmp_path, note="A small one.")
    tables = json.loads((tmp_path / "tables/methods.json").read_text())
    assert tables["note"] == "A small one."
    assert len(tables["rows"]) == 4
    assert (tmp_path / "tables/methods.md").read_text().startswith("A small one.")
    budgets = json.loads((tmp_path / "tables/budgets.json").read_text())["rows"]
    assert {row["budget"] for row in budgets} == BUDGETS.keys()
    for name in ("mri-methods", "mri-curves"):
        assert (tmp_path / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "A small one." in json.loads((tmp_path / f"figures/{name}.json").read_text())["alt_text"]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    write_report(collection, tmp_path, note="A small one.")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_gaps_and_differences_are_of_common_seeds(make_result):
    runs = [
        make_result("inverse", 0, (20.0, 20.0)),
        *(make_result("supervised", seed, (30.0, 30.0)) for seed in (0, 1)),
        *(make_result("ei", seed, psnr) for seed, psnr in enumerate([(24.0, 24.0), (26.0, 26.0), (40.0, 40.0)])),
        make_result("ei-jfb", 1, (25.0, 25.0)),
    ]
    rows = {row.method: row for row in table_rows(Collection({(r.problem, r.method, r.seed): r for r in runs}))}
    assert rows["ei"].gap.mean == pytest.approx(0.5)
    assert rows["ei-jfb"].difference.mean == pytest.approx(-1.0)
    assert rows["ei-jfb"].gap.mean == pytest.approx(0.5)
