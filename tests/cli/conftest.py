import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from eiwork.cli import app

_STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def run(monkeypatch, tmp_path) -> Callable[..., Result]:
    """Run `eiwork` with the given arguments in an empty folder, on a wide terminal without colours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def advice() -> Callable[[Result], str]:
    """What a command that failed told on standard error: one line, and no traceback."""

    def read(result: Result) -> str:
        text = _STYLES.sub("", result.stderr).strip()
        assert text.startswith("Error: "), result.output
        assert "Traceback" not in text
        assert "\n" not in text
        return text

    return read


@pytest.fixture
def workbook(tmp_path, monkeypatch) -> Path:
    """A project folder with three empty lessons and no source checkout beside the package."""
    folder = tmp_path / "workbook"
    (folder / "notebooks").mkdir(parents=True)
    for name in ("00_start_here", "04_implicit_backpropagation", "05_training_without_ground_truth"):
        (folder / "notebooks" / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr("eiwork.__file__", str(tmp_path / "site-packages" / "eiwork" / "__init__.py"))
    return folder
