import json

import pytest

from eiwork_study import benchmarks as benchmarking
from eiwork_study.benchmarks import comparison


@pytest.fixture
def measured(monkeypatch):
    """A comparison that takes no time; the settings it was called with are kept."""
    calls = []

    def run(libraries, axes=(), settings=None, on_outcome=lambda _: None):
        calls.append((libraries, axes, settings))
        bar = benchmarking.Bar("times as fast", 1.5, 2.0, "at least")
        outcome = benchmarking.Outcome("step", "A step", [{"method": "eiwork", "seconds": 1.25}], [bar])
        on_outcome(outcome)
        return [outcome]

    monkeypatch.setattr(benchmarking, "run", run)
    return calls


def test_a_missed_bar_is_printed_as_missed_and_written(run, measured, tmp_path):
    result = run("bench", "step", "--quick", "--json", "bench.json", "--figure", "bars.png")
    assert result.exit_code == 0, result.output
    assert "NOT met: times as fast: 1.5 (at least 2)" in result.stdout
    assert "A quick run" in result.stdout
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert figures["axes"]["step"]["rows"] == [{"method": "eiwork", "seconds": 1.25}]
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    [(_, axes, settings)] = measured
    assert axes == ["step"]
    assert settings == comparison.quick_settings()


def test_the_full_run_is_the_default(run, measured):
    assert run("bench").exit_code == 0
    assert measured[0][1:] == (list(benchmarking.AXES), benchmarking.BenchSettings())


def test_without_torchdeq_the_command_says_how_to_install_it(run, measured, monkeypatch):
    monkeypatch.setattr("eiwork_study.benchmarks.installed.importlib.util.find_spec", lambda name: None)
    result = run("bench", "step")
    assert result.exit_code == 0, result.output
    assert 'pip install "eiwork[bench]"' in result.stdout
    assert [library.name for library in measured[0][0]] == ["eiwork", "deepinv"]


def test_an_unknown_axis_is_refused(run, measured, advice):
    result = run("bench", "speed")
    assert result.exit_code == 2
    assert "accuracy, nfe, step, memory, profile" in advice(result)
    assert measured == []
