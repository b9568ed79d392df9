"""One notebook executed in a process of its own."""

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import nbformat

from book.builder.errors import PublishingError
from book.builder.staging import read_notebook
from eiwork.files import write_text_atomically

_RUNNER = Path(__file__).with_name("runner.py")


def execute(notebook: Path, executed: Path, mode: str, *, show_progress: bool, injected: int) -> nbformat.NotebookNode:
    """Run a notebook in a process of its own and an empty folder, and return its executed copy.

    Args:
        notebook: the lesson.
        executed: where its copy will go; of a failed lesson the cells up to the failure go to `failed/` beside it.
        mode: value of the parameter `mode`.
        show_progress: let papermill show its bar on standard error.
        injected: index of the cell that papermill puts in to set the mode.

    Raises:
        PublishingError: a cell failed, the kernel died or could not start, or papermill is not installed.
    """
    if find_spec("papermill") is None:
        raise PublishingError("Running lessons needs papermill: pip install 'eiwork[lab]'.")
    with tempfile.TemporaryDirectory(prefix="eiwork-lesson-") as folder:
        output = Path(folder, "executed", notebook.name)
        work = Path(folder, "work")
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
            f"{notebook.name} failed in its cell {number} ({first}) with "
            f"{failure['error']}\nThe cells up to there are in {kept}; open it, or run the lesson in JupyterLab, to "
            "see the whole traceback."
        )
