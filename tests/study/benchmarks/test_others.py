"""Benchmarks at sizes that take seconds, and the command."""

import json

import pytest

from eiwork import results
from eiwork_study import benchmarks
from eiwork_study.benchmarks import identifiability, memory, operators


def test_tomography_is_measured_beside_deepinvs_with_its_adjoint():
    found = operators.tomography_benchmark(sizes=(16,), repeats=1)
    pairs = [(batch, operation) for batch in (1, 8) for operation in ("A", "A_adjoint")]
    assert [(row["batch"], row["operation"]) for row in found["rows"]] == pairs
    assert all(row["adjoint_error"]["eiwork"] < 1e-6 for row in found["rows"])
    assert all(row["speedup"] > 0 for row in found["rows"])
    assert found["requirement"]["speedup"] == min(row["speedup"] for row in found["rows"] if row["batch"] == 8)


def test_the_exact_proximal_map_has_the_smaller_residual():
    found = operators.multicoil_benchmark(sizes=(16,), repeats=1)
    assert len(found["rows"]) == len(operators.GAMMAS)
    for row in found["rows"]:
        assert row["residual"]["eiwork"] <= row["residual"]["deepinv"] < 1e-3


def test_calls_are_interleaved():
    called = []
    medians = operators.interleaved_medians({name: lambda name=name: called.append(name) for name in "ab"}, 2)
    assert "".join(called) == "ab" * 5
    assert medians.keys() == {"a", "b"}


def test_a_deq_keeps_as_much_for_many_iterations_and_unrolling_does_not():
    implicit, unrolled = (
        [memory.measure(mode, n, size=16, batch=2)["kept_mib"] for n in (5, 20)] for mode in ("implicit", "unrolled")
    )
    assert implicit[0] == implicit[1]
    assert unrolled[1] > 3 * unrolled[0]


def test_score_and_closure_stand_beside_each_other(monkeypatch):
    for name, value in (("SIZE", 16), ("N_TRAIN", 8), ("N_SCORED", 4)):
        monkeypatch.setattr(identifiability, name, value)
    found = identifiability.run(["MRI, 4x"], ["shifts", "rotations"], steps=2)
    shifts, rotations = found["rows"]
    assert shifts["score"] < 0.05 < rotations["score"]
    for row in found["rows"]:
        closure = (row["ei_psnr"][0] - row["linear_psnr"]) / (row["supervised_psnr"][0] - row["linear_psnr"])
        assert row["gap_closure"] == pytest.approx(closure)
    assert found["recipes"]["MRI, 4x"]["data"]["n"] == 8


def test_ranks_that_agree_have_a_correlation_of_one():
    found = identifiability.rank_correlation([0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 5.0, 6.0], repeats=50)
    assert found["spearman"] == pytest.approx(1.0)
    assert found["low"] <= found["spearman"] <= found["high"] + 1e-12


def test_the_command_prints_writes_and_ends_with_the_verdict(run, monkeypatch, tmp_path, advice):
    made = {"title": "A title", "rows": [{"n": 1}], "requirement": {"passed": False}}
    monkeypatch.setitem(benchmarks.BENCHMARKS, "memory", lambda: made)
    result = run("bench", "memory", "--output", "out")
    assert result.exit_code == 1
    assert all(text in result.stdout for text in ("A title", "NOT met"))
    written = json.loads((tmp_path / "out" / "memory.json").read_text())
    assert written["rows"] == [{"n": 1}]
    assert {"machine", "code"} <= written.keys()
    refused = run("bench", "speed")
    assert refused.exit_code == 2
    assert "accuracy, tomography, multicoil, memory, identifiability" in advice(refused)

    folder = results.results_folder() / "benchmarks"
    assert {path.stem for path in folder.glob("*.json")} == benchmarks.BENCHMARKS.keys(), "all are committed"
