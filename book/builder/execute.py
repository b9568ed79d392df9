"""Lessons executed by papermill, each in a process of its own and an empty folder."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import nbformat

from book.builder.fingerprint import RECORD, identity, is_up_to_date
from book.builder.staging import PublishingError, read_notebook
from eiwork.errors import InputError
from eiwork.files import ensure_output_folder, write_text_atomically
from eiwork.provenance import machine

LESSONS = "[0-9][0-9]_*.ipynb"  # as in the table of contents; other notebooks are somebody's scratch paper
Mode = Literal["fast", "full"]
_RUNNER = Path(__file__).with_name("runner.py")


@dataclass(frozen=True)
class RunReport:
    """One lesson's execution: the notebook, its executed copy, mode, seconds, and whether it was up to date already."""

    notebook: Path
    executed: Path
    mode: str
    seconds: float
    skipped: bool


def run_notebooks(
    paths: Sequence[Path],
    output_dir: Path,
    mode: Mode = "fast",
    jobs: int = 1,
    *,
    on_report: Callable[[RunReport], object] | None = None,
    show_progress: bool = False,
) -> list[RunReport]:
    """Execute notebooks, write their executed copies, with outputs and widget states, to `output_dir`; one report each.

    Each notebook has a cell tagged `parameters` that sets `mode`; `jobs` >= 1 of them run at the same time. A copy that
    was made from the same notebook, code, libraries and mode is kept. Each copy is written whole or not at all; of a
    failed lesson, the cells up to the failure go to `output_dir/failed/`. `on_report` is called with each report as it
    comes in; `show_progress` shows a bar per notebook, cell by cell. Raises InputError for no notebooks, an unknown
    mode, jobs < 1, or two notebooks of one name; PublishingError naming each failed lesson after the others are done.
    """
    notebooks = [Path(path).resolve() for path in paths]
    if not notebooks:
        raise InputError("There are no notebooks to run; give at least one .ipynb file.")
    if mode not in get_args(Mode) or jobs < 1:
        raise InputError(f"mode must be one of {get_args(Mode)} and jobs at least 1; got {mode!r} and {jobs}.")
    if len({path.name for path in notebooks}) != len(notebooks):
        raise InputError("Two of the notebooks have the same name, so their executed copies would collide.")
    folder = ensure_output_folder(Path(output_dir).resolve(), PublishingError)
    # A long text takes longer, and one that began last would be waited for alone.
    begin = sorted(notebooks, key=lambda path: -path.stat().st_size if path.exists() else 0) if jobs > 1 else notebooks
    outcomes: dict[Path, RunReport | PublishingError] = {}
    with ThreadPoolExecutor(min(jobs, len(notebooks))) as pool:
        futures = {pool.submit(_attempt, path, folder / path.name, mode, show_progress): path for path in begin}
        try:
            for future in as_completed(futures):
                outcome = outcomes[futures[future]] = future.result()
                if on_report is not None and isinstance(outcome, RunReport):
                    on_report(outcome)
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing new is started
    results = [outcomes[path] for path in notebooks]
    failures = [str(result) for result in results if isinstance(result, PublishingError)]
    if failures:
        raise PublishingError("\n\n".join(failures))
    return [result for result in results if isinstance(result, RunReport)]


def _attempt(notebook: Path, executed: Path, mode: Mode, show_progress: bool) -> RunReport | PublishingError:
    try:
        return run_notebook(notebook, executed, mode, show_progress)
    except PublishingError as error:
        return error


def run_notebook(notebook: Path, executed: Path, mode: Mode = "fast", show_progress: bool = False) -> RunReport:
    """Execute one notebook unless its executed copy is up to date; see `run_notebooks`."""
    source = read_notebook(notebook)
    tagged = [i for i, cell in enumerate(source.cells) if "parameters" in cell.metadata.get("tags", [])]
    if not tagged:
        raise PublishingError(
            f'{notebook.name} has no cell tagged "parameters" that sets mode = "fast"; without it a run cannot be '
            "made short. Add the cell and its tag."
        )
    wanted = identity(notebook, mode)
    record = executed_record(executed)
    if record is not None and is_up_to_date(record, wanted):
        return RunReport(notebook, executed, mode, float(record["seconds"]), skipped=True)
    start = time.perf_counter()
    result = _execute(notebook, executed, mode, show_progress, injected=tagged[0] + 1)
    seconds = time.perf_counter() - start
    result.metadata.pop("papermill", None)  # its own record names folders of this machine
    result.metadata[RECORD] = {
        **wanted,
        "seconds": round(seconds, 1),
        "executed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }
    write_text_atomically(executed, nbformat.writes(result), PublishingError)
    (executed.parent / "failed" / executed.name).unlink(missing_ok=True)
    return RunReport(notebook, executed, mode, seconds, skipped=False)


def executed_record(executed: Path) -> dict[str, Any] | None:
    """The record that `run_notebook` left in an executed copy; None when there is no such copy."""
    if not executed.is_file():
        return None
    record = read_notebook(executed).metadata.get(RECORD)
    return None if record is None else dict(record)


def _execute(notebook: Path, executed: Path, mode: str, show_progress: bool, *, injected: int) -> nbformat.NotebookNode:
    """Run a notebook and return its executed copy; `injected` is the place of the cell that sets the mode.

    Raises PublishingError when a cell failed, the kernel died or could not start, or papermill is not installed.
    """
    if find_spec("papermill") is None:
        raise PublishingError("Running lessons needs papermill: pip install 'eiwork[lab]'.")
    with tempfile.TemporaryDirectory(prefix="eiwork-lesson-") as folder:
        output, work = Path(folder, "executed", notebook.name), Path(folder, "work")
        output.parent.mkdir()
        work.mkdir()
        arguments = {
            "input_path": str(notebook),
            "output_path": str(output),
            "parameters": {"mode": mode},
            "kernel_name": "python3",
            "cwd": str(work),
            "progress_bar": show_progress,
            "extra_arguments": ["--log-level=CRITICAL"],  # the kernel's greetings are of no use to a reader
        }
        done = subprocess.run(
            [sys.executable, str(_RUNNER), json.dumps(arguments)],
            stdout=subprocess.PIPE,
            stderr=None if show_progress else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return read_notebook(output)
        if not done.stdout.startswith("{"):
            raise PublishingError(f"{notebook.name} could not be run: {(done.stderr or '').strip()[-2000:]}")
        failure = json.loads(done.stdout)
        if "kernel" in failure:
            raise PublishingError(
                f"{notebook.name}: its Python process could not start or was killed ({failure['kernel']}). The "
                "probable cause is too little memory, or an environment without ipykernel: pip install 'eiwork[lab]'."
            )
        kept = executed.parent / "failed" / executed.name
        write_text_atomically(kept, output.read_text(encoding="utf-8"), PublishingError)
    first = next(iter(failure["source"].strip().splitlines()), "")
    number = failure["cell_index"] + (1 if failure["cell_index"] < injected else 0)  # counted from 1
    raise PublishingError(
        f"{notebook.name} failed in its cell {number} ({first}) with {failure['error']}\nThe cells up to there are in "
        f"{kept}; open it, or run the lesson in JupyterLab, to see the whole traceback."
    )
