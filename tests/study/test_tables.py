"""Tables, variants and budgets from results whose answers are known."""

import csv
import json

import pytest

from eiwork.errors import InputError
from eiwork.results import RunResult, Runs
from eiwork_study.tables import BUDGETS, budget_rows, psnr_at, variant_rows, write_report

REST = {"recipe": {}, "data_hash": "a", "test_data_hash": "b", "code": {}, "n_parameters": 1, "seconds": 1.0}


def result(method="ei", seed=0, psnr=(23.0, 27.0), cpu=1.0, **fields):
    values = {"problem": "ct", "method": method, "seed": seed, "psnr": list(psnr), "ssim": [0.5] * len(psnr)}
    return RunResult(**(REST | values | {"cpu_seconds": cpu, "machine": {"processor": "A"}} | fields))


def history(step_seconds, gain, nfe):
    """A straight curve from 20 dB: ten monitored steps."""
    return [
        {"step": float(n), "seconds": n * step_seconds, "cpu_seconds": n * step_seconds, "total_forward": n * nfe}
        | {"held_out_psnr": 20 + gain * n}
        for n in range(1, 11)
    ]


@pytest.fixture
def collection():
    runs = []
    for seed in (0, 1):
        runs += [
            result("ei", seed, history=history(2.0, 0.4, 10.0)),
            result("ei-jfb", seed, (22.0, 26.0), history=history(1.0, 0.3, 5.0)),
            result("ei", seed, (22.5, 26.5), variant="short", cpu=2.0),
            result("ei", seed, (22.0, 26.0), variant="short-shifts", cpu=3.0),
            result("ei", seed, (24.0, 28.0), variant="stopped-gradient", machine={"processor": "B"}),
        ]
    return Runs(tuple(runs))


def test_variants_stand_beside_what_they_change(collection):
    rows = {row["training"]: row for row in variant_rows(collection, "ct")}
    assert rows.keys() == {"EI, short shifts", "EI, stopped gradient"}
    shifts, stopped = rows["EI, short shifts"], rows["EI, stopped gradient"]
    assert shifts["difference"] == "-0.50 dB [-0.50, -0.50], 2 trainings: open"
    assert shifts["processor time"] == 1.5
    assert stopped["difference"].startswith("+1.00 dB")
    assert stopped["processor time"] is None, "another processor"
    assert stopped["PSNR (dB)"] == 26.0


def test_at_equal_budgets_the_dearer_training_is_read_where_it_had_spent_as_much(collection):
    rows = {row["at equal"]: row for row in budget_rows(collection, "ct")}
    assert rows.keys() == BUDGETS.keys()
    assert (rows["steps"]["spent"], rows["steps"]["difference (dB)"]) == (10, pytest.approx(1.0))
    # After 10 s, or 50 evaluations, the dearer one is at its fifth step: 20 + 5 * 0.4 against 20 + 10 * 0.3.
    for budget, spent in (("wall clock (s)", 10), ("processor time (s)", 10), ("NFE", 50)):
        assert (rows[budget]["spent"], rows[budget]["difference (dB)"]) == (spent, pytest.approx(-1.0))
    assert rows["NFE"]["by seed"] == "-1.00, -1.00"
    assert budget_rows(collection, "ct", "ei", "mc") == []


def test_curves_end_where_they_end(collection):
    run = collection.get("ct", "ei")[0]
    assert psnr_at(run, "steps", 2.5) == pytest.approx(21.0)
    short, no_curve = collection.get("ct", "ei+short")[0], r"ct/ei\+short-0 has no training curve"
    wrong = ((run, "steps", 11.0, "11 is not on it"), (run, "luck", 1.0, "no budget 'luck'"))
    for one, budget, spent, told in (*wrong, (short, "steps", 1.0, no_curve)):
        with pytest.raises(InputError, match=told):
            psnr_at(one, budget, spent)


def test_files_say_the_same_in_every_format(collection, tmp_path):
    write_report(collection, tmp_path, "A note.")
    tables = tmp_path / "tables"
    values = json.loads((tables / "methods.json").read_text())
    assert values["note"] == "A note."
    (rows,) = values["tables"].values()
    assert [row["label"] for row in rows] == ["ei", "ei-jfb"]
    with (tables / "methods.csv").open() as file:
        flat = list(csv.DictReader(file))
    assert [row["label"] for row in flat] == ["ei", "ei-jfb"]
    assert float(flat[0]["PSNR (dB)"]) == rows[0]["PSNR (dB)"] == 25.0
    assert (tables / "methods.md").read_text().startswith("A note.")
    starts = {"methods": "| EI | ei | 2 | 25 |", "variants": "| ct | EI, short shifts |", "budgets": "| ct | NFE |"}
    assert all(start in (tables / f"{name}.md").read_text() for name, start in starts.items())
