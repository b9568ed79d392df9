"""How tests run a command line: in an empty folder, on a wide terminal without colours."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def runner(app: typer.Typer, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[..., Result]:
    """A function that runs the application with the given arguments."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def advice(result: Result) -> str:
    """What a command that failed told on standard error: one line, and no traceback."""
    text = _STYLES.sub("", result.stderr).strip()
    assert text.startswith("Error: "), result.output
    assert "Traceback" not in text
    assert "\n" not in text
    return text


def workbook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with three empty lessons and no source checkout beside the package."""
    notebooks = folder / "workbook" / "notebooks"
    notebooks.mkdir(parents=True)
    for name in ("00_start_here", "04_implicit_backpropagation", "05_training_without_ground_truth"):
        (notebooks / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr("eiwork.__file__", str(folder / "site-packages" / "eiwork" / "__init__.py"))
    return notebooks.parent
