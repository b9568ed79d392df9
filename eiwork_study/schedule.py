"""Independent tasks on Dask: on this machine, or on a cluster that is already there."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eiwork.errors import EiworkError, InputError
from eiwork_study.grid import Task
from eiwork_study.task import Places, ensure_start, progress_of, run_task

_POLL_SECONDS = 1.0
_STOP_SECONDS = 120.0
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

OnProgress = Callable[["Progress"], Any]


@dataclass
class Progress:
    """Where a study stands: tasks done, failed (with the error) and all; optimiser steps done and all."""

    n_tasks: int
    n_steps: int
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    steps_done: int = 0


def run_tasks(
    tasks: Sequence[Task],
    places: Places,
    *,
    scheduler: str | None = None,
    n_workers: int = 2,
    replace_others: bool = False,
    on_progress: OnProgress | None = None,
) -> Progress:
    """Do tasks in parallel; a task that fails is reported and does not stop the others.

    scheduler: address of a Dask cluster that sees the same files, e.g. tcp://host:8786; None starts `n_workers`
    single-threaded processes here, bound to this machine alone, without a dashboard. Ctrl-C lets trainings end after
    the step at hand and save, and raises KeyboardInterrupt: another call with the same tasks continues.
    Raises InputError where the cluster cannot be reached.
    """
    progress = Progress(len(tasks), sum(task.steps for task in tasks))
    if not tasks:
        return progress
    places.work.mkdir(parents=True, exist_ok=True)
    places.stop_file.unlink(missing_ok=True)
    with _client(scheduler, min(n_workers, len(tasks))) as client:
        # Trainings that begin with the same model of random images wait for one training of it.
        before = {first.name: first for task in tasks if (first := task.before()) is not None}
        starts = {name: client.submit(_start, first, places, key=f"start {name}") for name, first in before.items()}
        futures = {
            client.submit(
                _attempt,
                task,
                places,
                replace_others,
                starts[first.name] if (first := task.before()) is not None else "",
                pure=False,
                retries=0,
                priority=-number,
                key=task.name,
            ): task
            for number, task in enumerate(tasks)
        }
        try:
            _follow(futures, places, progress, on_progress)
        except KeyboardInterrupt:
            places.stop_file.touch()
            _let_end(futures)
            raise
        finally:
            places.stop_file.unlink(missing_ok=True)
    return progress


def _start(task: Task, places: Places) -> str:
    """Train the model that others begin with; the text of an error, as `_attempt`."""
    return _text_of(lambda: ensure_start(task, places), places)


def _attempt(task: Task, places: Places, replace_others: bool, before: str) -> str:
    """What a worker does; the text of an error, empty for none: exceptions need not survive the way back."""
    return before or _text_of(lambda: run_task(task, places, replace_others=replace_others) == "done", places)


def _text_of(work: Callable[[], bool], places: Places) -> str:
    if places.stop_file.exists():
        return "interrupted"
    try:
        return "" if work() else "interrupted"
    except EiworkError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # a bug in one task must not stop the others
        return f"{type(error).__name__}: {error}"


def _follow(futures: dict[Any, Task], places: Places, progress: Progress, on_progress: OnProgress | None) -> None:
    from distributed import wait

    waiting = dict(futures)
    while waiting:
        with contextlib.suppress(TimeoutError):
            wait(list(waiting), timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
        for future in [future for future in waiting if future.done()]:
            task = waiting.pop(future)
            error = _outcome(future)
            if error:
                progress.failed[task.name] = error
            else:
                progress.done.append(task.name)
        running = sum(min(progress_of(task, places), task.steps) for task in waiting.values())
        progress.steps_done = running + sum(task.steps for f, task in futures.items() if f not in waiting)
        if on_progress is not None:
            on_progress(progress)


def _outcome(future: Any) -> str:
    if future.status == "finished":
        return future.result()
    # The worker itself was lost, by lack of memory for instance.
    return str(future.exception() or f"the task was {future.status}")


def _let_end(futures: dict[Any, Task]) -> None:
    """Wait until running trainings have seen the stop file and saved; waiting tasks are taken back."""
    from distributed import wait

    with contextlib.suppress(TimeoutError, KeyboardInterrupt):
        wait(list(futures), timeout=_STOP_SECONDS)


@contextlib.contextmanager
def _client(scheduler: str | None, n_workers: int) -> Iterator[Any]:
    """A client of a cluster: the given one, or one of this machine that ends with the block."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            'A study needs Dask, which is not installed. Install it with: pip install "eiwork[study]"'
        ) from None
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"No Dask scheduler answers at {scheduler!r} ({error}). Start one with `dask scheduler`, or leave out "
                "--scheduler."
            ) from None
        with client:
            yield client
        return
    quiet: dict[str, Any] = {
        "distributed.worker.memory.terminate": False,
        "distributed.admin.tick.limit": "1h",
        # Dask's own choice gives memory back after every tensor: a training then spends a third of its time on page
        # faults.
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(_ONE_THREAD, 1),
    }
    with dask.config.set(quiet):
        with _ctrl_c_ignored():
            cluster = LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                # Dask's own small status server gets any free port, and no dashboard.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                worker_dashboard_address=None,
                memory_limit=0,
                silence_logs=50,
            )
        with cluster, Client(cluster) as client:
            yield client


@contextlib.contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Processes started in the block never see Ctrl-C: this one tells them to stop, so that they can save."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
