"""`eiwork-study reproduce`: which tasks it does, what it prints and how it ends."""

import json

import pytest

from eiwork_study import grid, schedule
from eiwork_study.methods import CLASSICAL, CORE_METHODS
from eiwork_study.schedule import Progress
from eiwork_study.task import run_task

PLACES = ("--results", "results", "--work", "work")


@pytest.fixture
def runs(monkeypatch, small):
    """Replaces Dask: tasks are done here, one after the other, and recorded with the options."""
    monkeypatch.setattr(grid, "QUICK", small(physics__noise_sigma=0.0))
    calls = []

    def run_tasks(tasks, places, **options):
        calls.append(([task.name for task in tasks], options))
        progress = Progress(len(tasks), sum(task.steps for task in tasks))
        for task in tasks:
            run_task(task, places, replace_others=options["replace_others"])
            progress.done.append(task.name)
            options["on_progress"](progress)
        return progress

    monkeypatch.setattr(schedule, "run_tasks", run_tasks)
    return calls


def quick(run, *more, methods="inverse"):
    return run("reproduce", "--quick", "--problems", "mri", "--methods", methods, *PLACES, *more)


def test_a_quick_run_says_that_it_is_small_leaves_tables_and_is_not_done_again(run, runs, tmp_path):
    result = quick(run, "--tables-only")
    assert result.exit_code == 1
    assert "holds no result" in result.stderr
    first = quick(run, "--json", "figures.json", methods="ei-jfb,inverse")
    assert first.exit_code == 0, first.output
    assert "A quick run: 32x32 images" in first.stdout
    assert "2 runs: 0 done, 2 to do." in first.stdout
    assert "linear inverse" in first.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["runs"], figures["tasks"], figures["failed"]) == (2, 2, {})
    assert "quick" in figures["note"]
    (rows,) = figures["tables"].values()
    assert {row["label"] for row in rows} == {"ei-jfb", "inverse"}
    assert "A quick run" in (tmp_path / "results/tables/methods.md").read_text()
    assert "3 runs: 2 done, 1 to do." in quick(run, methods="inverse,ei-jfb,fbp,mc").stdout
    assert "3 runs: 3 done, 0 to do." in quick(run, methods="inverse,ei-jfb,mc").stdout
    assert quick(run, "--tables-only").exit_code == 0
    assert [names for names, _ in runs] == [["mri/ei-jfb-0", "mri/inverse-0"], ["mri/mc-0"]]


def test_every_option_changes_something(run, runs, tmp_path):
    options = ("--seeds", "2", "--scheduler", "tcp://10.0.0.1:8786", "--workers", "3", "--replace")
    result = quick(run, *options)
    assert result.exit_code == 0, result.output
    names, given = runs[0]
    assert names == ["mri/inverse-0"]
    assert [given[name] for name in ("scheduler", "n_workers", "replace_others")] == ["tcp://10.0.0.1:8786", 3, True]
    assert (tmp_path / "results/runs/mri/inverse-0.json").exists()
    run("reproduce", "--quick", "--problems", "mri", "--problems", "ct", "--methods", "inverse", *PLACES)
    assert runs[1][0] == ["ct/inverse-0"]
    assert quick(run, "--variants", "short", methods="ei").exit_code == 0
    assert runs[2][0] == ["mri/ei+short-0"]
    assert "nothing to train" in quick(run, "--start", "bodies", methods="tv").stderr


def test_the_default_is_the_core_table_and_the_methods_without_training(run, monkeypatch):
    asked = []
    monkeypatch.setattr(schedule, "run_tasks", lambda tasks, *_, **__: asked.extend(tasks) or Progress(len(tasks), 0))
    run("reproduce", *PLACES)
    trained = [task for task in asked if task.method in CORE_METHODS]
    assert len(trained) == 3 * 6 * 3
    assert {task.method for task in asked} == {*CORE_METHODS, *CLASSICAL} - {"cg-sense"}
    asked.clear()
    run("reproduce", "--problems", "mri-coils", *PLACES)
    assert {task.method for task in asked} == {*CORE_METHODS, *CLASSICAL} - {"fbp"}


def test_results_that_cannot_be_used_are_reported_and_replaced_on_request(run, runs, monkeypatch, tmp_path):
    quick(run, methods="inverse,ei-jfb")
    path = tmp_path / "results/runs/mri/inverse-0.json"
    path.write_text("{")
    result = quick(run, methods="inverse,ei-jfb")
    assert result.exit_code == 1
    assert "Failed: mri/inverse-0" in result.stdout
    assert "EI Jacobian-free" in result.stdout
    assert path.read_text() == "{"
    assert quick(run, "--replace").exit_code == 0
    assert json.loads(path.read_text())["method"] == "inverse"
    monkeypatch.setitem(grid.QUICK, "data__n", 9)
    result = quick(run)
    assert result.exit_code == 1
    assert "result of another recipe: data.n differ" in result.stdout


def test_failures_and_ctrl_c_are_told_at_the_end(run, monkeypatch):
    failed = Progress(1, 0, failed={"mri/inverse-0": "ConvergenceError: it diverged"})
    monkeypatch.setattr(schedule, "run_tasks", lambda *_, **__: failed)
    result = quick(run)
    assert result.exit_code == 1
    assert "Failed: mri/inverse-0: ConvergenceError: it diverged" in result.stdout

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(schedule, "run_tasks", interrupt)
    result = quick(run)
    assert result.exit_code == 130
    assert "The same command continues" in result.stderr


WRONG = {"--problems pet": "no problem 'pet'", "--methods magic": "no method 'magic'"}


@pytest.mark.parametrize(("arguments", "match"), [*WRONG.items(), ("--json file/x.json", "Cannot write file")])
def test_what_is_asked_wrongly_is_told_before_anything_runs(run, advice, runs, tmp_path, arguments, match):
    (tmp_path / "file").write_text("")
    result = run("reproduce", *arguments.split(), *PLACES)
    assert (result.exit_code, runs) == (2, [])
    assert match in advice(result)
    assert not (tmp_path / "results").exists()
