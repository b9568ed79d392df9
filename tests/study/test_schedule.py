"""Tasks on Dask: processes of this machine, and a cluster that is already there."""

import contextlib
import os

import pytest

from eiwork.errors import InputError
from eiwork_study import schedule
from eiwork_study.schedule import run_tasks
from eiwork_study.task import Places, collect, run_task

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture
def scheduler():
    """The address of a cluster in this process, which needs no time to start."""
    from distributed import LocalCluster

    places = {"host": "127.0.0.1", "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **places) as cluster:
        yield cluster.scheduler_address


def test_processes_do_a_grid_and_one_failure_does_not_stop_the_others(small_grid, places, monkeypatch):
    """With Dask's own settings memory goes back after every tensor, and trainings take half as long again."""
    tasks = small_grid(methods=("inverse", "ei-jfb", "mc"))
    wrong = tasks[2].result_path(places.results)
    wrong.parent.mkdir(parents=True)
    wrong.write_text("{")
    seen, environment, started = [], {}, schedule._client

    @contextlib.contextmanager
    def asked(*arguments):
        with started(*arguments) as client:
            environment.update(client.submit(lambda: dict(os.environ)).result())
            yield client

    monkeypatch.setattr(schedule, "_client", asked)
    progress = run_tasks(tasks, places, n_workers=1, on_progress=lambda p: seen.append((p.steps_done, len(p.done))))
    assert sorted(progress.done) == ["mri/ei-jfb-0", "mri/inverse-0"]
    assert list(progress.failed) == ["mri/mc-0"]
    assert "missing, damaged" in progress.failed["mri/mc-0"]
    assert (progress.n_tasks, progress.n_steps, progress.steps_done) == (3, 9, 9)
    assert seen[-1] == (9, 2)
    assert not places.stop_file.exists()
    assert len(collect(tasks, places.results)[0]) == 2
    assert "MALLOC_TRIM_THRESHOLD_" not in environment
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "1"


def test_a_grid_that_was_interrupted_and_run_again_equals_one_that_was_not(small_grid, places, tmp_path, scheduler):
    tasks = small_grid(methods=("ei-jfb", "inverse"))
    whole = Places(results=tmp_path / "whole", work=tmp_path / "work-whole")
    for task in tasks:
        run_task(task, whole)

    def interrupt(progress):
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, places, scheduler=scheduler, on_progress=interrupt)
    assert not places.stop_file.exists()
    again = run_tasks(tasks, places, scheduler=scheduler)
    assert (len(again.done), again.failed) == (2, {})
    one, other = (collect(tasks, p.results)[0] for p in (whole, places))
    for run, same in zip(one, other, strict=True):
        assert (run.label, run.psnr, run.nfe, run.totals) == (same.label, same.psnr, same.nfe, same.totals)


def test_one_training_of_the_start_serves_all_and_its_failure_is_told(small_grid, places, scheduler, monkeypatch):
    tasks = small_grid("inpainting", ("ei", "mc"), start="bodies")
    asked = []

    def refuse(task, places):
        asked.append(task.name)
        raise InputError("no bodies today")

    monkeypatch.setattr(schedule, "ensure_start", refuse)
    progress = run_tasks(tasks, places, scheduler=scheduler)
    assert asked == ["inpainting/supervised+bodies-alone-0"]
    assert progress.failed == dict.fromkeys((task.name for task in tasks), "no bodies today")


def test_a_cluster_that_does_not_answer_is_told_and_nothing_to_do_starts_nothing(small_grid, places, monkeypatch):
    assert run_tasks([], places).done == []
    assert not places.work.exists()

    def refuse(*_, **__):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr("distributed.Client", refuse)
    with pytest.raises(InputError, match=r"No Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        run_tasks(small_grid(), places, scheduler="tcp://127.0.0.1:1")
