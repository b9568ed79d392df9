"""The comparison of a lesson's two executions finds what it has to find."""

import nbformat
import pytest
from nbformat import v4

from book.builder import run_notebook


@pytest.fixture
def executed(tmp_path):
    """A small notebook and the function that executes it."""

    def make(*sources):
        parameters = v4.new_code_cell('mode = "fast"', metadata={"tags": ["parameters"]})
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cells = [parameters, *map(v4.new_code_cell, sources)]
        notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / "small.ipynb")
        return run_notebook(tmp_path / "small.ipynb", tmp_path / "executed" / "small.ipynb").executed

    return make


def test_outputs_that_repeat_pass_and_measured_times_may_differ(executed, compare):
    path = executed(
        "import torch\nprint(mode, torch.arange(3).sum().item())",
        "import time\nprint(f'{time.monotonic():.3f} s, {time.monotonic_ns() / 7:.1f} MB')",
    )
    done = compare(path)
    assert done.returncode == 0, done.stdout


def test_outputs_that_differ_fail(executed, compare):
    done = compare(executed("import time\nprint('loss', time.monotonic_ns())"))
    assert done.returncode == 1
    assert "mismatch" in done.stdout
