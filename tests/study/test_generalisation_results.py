"""Reports of trained models under shifts are read, and compared seed by seed."""

import json
from pathlib import Path

import pytest

from eiwork.errors import DataFormatError, InputError
from eiwork.models import GuardedDEQ
from eiwork.training import load_shipped, shipped_checkpoints
from eiwork_study.generalisation import FORMAT
from eiwork_study.generalisation_results import (
    ShiftedResult,
    advantage,
    convergence_of,
    gains,
    shifted_results,
)

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def saved(tmp_path):
    """The function that writes a report with one shift."""

    def save(method, seed, psnr, **fields):
        row = {"shift": "6 views", "psnr": psnr, "inverse_psnr": [20.0, 20.0]}
        report = {"format": FORMAT, "problem": "ct", "method": method, "seed": seed, "rows": [row]}
        path = tmp_path / f"ct-{method}-{seed}.json"
        path.write_text(json.dumps(report | fields))
        return path

    return save


def test_gains_and_advantages_are_of_common_seeds(saved, tmp_path):
    for seed, psnr in ((0, [22.0, 24.0]), (1, [23.0, 25.0])):
        saved("ei", seed, psnr)
    saved("mc", 1, [20.0, 21.0])
    found = shifted_results(tmp_path)
    assert [(r.problem, r.method, r.seed) for r in found] == [
        ("ct", "ei", 0),
        ("ct", "ei", 1),
        ("ct", "mc", 1),
    ]
    ei, mc = found[:2], found[2:]
    gain = gains(ei, "6 views")
    assert (gain.interval.mean, gain.n_seeds, gain.n_images) == (3.5, 2, 2)
    assert gain.over_seeds.mean == 3.5
    ahead = advantage(ei, mc, "6 views")
    assert (ahead.interval.mean, ahead.n_seeds, ahead.over_seeds) == (3.5, 1, None)
    assert gains(ei, "9 views") is None
    assert advantage(ei[:1], mc, "6 views") is None


def test_a_summary_is_over_all_sets_and_tells_the_trained_one_apart():
    rows = [
        {"shift": shift, "psnr": psnr, "converged_share": share, "max_nfe": nfe}
        for shift, psnr, share, nfe in (
            ("as trained", [30.0, 32.0], 1.0, 20),
            ("6 views", [20.0, 22.0], 1.0, 40),
            ("4 views", [10.0, 14.0, 15.0], 0.5, 200),
        )
    ]
    found = ShiftedResult("ct", "ei", 0, tuple(rows)).summary()
    assert (found.trained, found.changed) == (31.0, (21.0 + 13.0) / 2)
    assert (found.solved, found.n_sets, found.max_nfe) == (2, 3, 200)
    assert found.milder == 0
    guarded = [row | {"milder_share": share} for row, share in zip(rows, (0.0, 0.5, 1.0), strict=True)]
    assert ShiftedResult("ct", "ei", 0, tuple(guarded)).summary().milder == pytest.approx((0 + 1 + 3) / 7)
    for part in (rows[:1], rows[1:], []):
        with pytest.raises(InputError, match="needs 'as trained' and a change"):
            ShiftedResult("ct", "ei", 0, tuple(part)).summary()


def test_no_folder_means_no_results(tmp_path):
    assert shifted_results(tmp_path / "missing") == []


@pytest.mark.parametrize("content", ["{", '{"format": "something"}', "[]"])
def test_foreign_files_are_named(tmp_path, content):
    (tmp_path / "odd.json").write_text(content)
    with pytest.raises(DataFormatError, match=r"odd\.json"):
        shifted_results(tmp_path)


@pytest.mark.parametrize("problem", ["ct", "mri"])
def test_the_model_that_readers_are_told_to_try_first_was_solved_on_every_changed_scan(problem):
    reports = shifted_results(RESULTS / "generalisation")
    (own,) = [r for r in reports if (r.problem, r.method, r.seed) == (problem, "ei-stopped-steady", 0)]
    summary = own.summary()
    assert summary.n_sets > 12
    assert summary.solved == summary.n_sets
    assert summary.max_nfe < 60


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_the_card_of_a_shipped_model_says_where_it_has_fixed_points(name):
    checkpoint = load_shipped(name)
    told = checkpoint.card["changed_scans"]
    assert told == convergence_of(checkpoint, RESULTS)
    assert told["guarded"]["solved_sets"] == told["n_sets"] > 10
    assert told["guarded"]["max_nfe"] < 60
    assert (told["alone"]["solved_sets"] == told["n_sets"]) == (told["alone"]["unsolved"] == [])
    assert told["alone"]["milder_share"] == 0


def test_a_report_of_another_training_tells_nothing_about_a_model(tmp_path):
    checkpoint = load_shipped("ct-ei-deq")
    with pytest.raises(InputError, match=r"no report .*ct-ei-0\.json.*eiwork generalise"):
        convergence_of(checkpoint, tmp_path)
    report = json.loads((RESULTS / "generalisation" / "ct-ei-0.json").read_text())
    (tmp_path / "generalisation").mkdir()
    for key, value in {"step": 3, "data_hash": "0", "recipe": report["recipe"] | {"steps": 3}}.items():
        (tmp_path / "generalisation" / "ct-ei-0.json").write_text(json.dumps(report | {key: value}))
        with pytest.raises(InputError, match=f"another training than ct-ei-deq: {key} differ"):
            convergence_of(checkpoint, tmp_path)


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_guarded_every_shipped_model_was_solved_on_every_changed_scan_within_60_evaluations(name):
    card = load_shipped(name).card
    report = json.loads((RESULTS / "guarded" / f"{name.removesuffix('-deq')}-0.json").read_text())
    assert report["name"] == name
    assert (report["step"], report["data_hash"]) == (card["step"], card["data_hash"])
    assert report["tol"] == 1e-4
    guarded = load_shipped(name).reconstructor()
    assert isinstance(guarded, GuardedDEQ)
    assert report["guard"] == guarded.settings()
    assert {solver.tol for solver in guarded.solvers} == {report["tol"]}
    assert len(report["rows"]) > 10
    assert all(row["converged_share"] == 1 and row["max_nfe"] < 60 for row in report["rows"])
