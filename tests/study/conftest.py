"""Studies small enough for a test."""

import re
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from eiwork_study.cli.application import app
from eiwork_study.grid import grid
from eiwork_study.task import Places

TINY = {"kind": "ResidualCNN", "width": 4, "depth": 2}
SMALL = {"data__image_size": 16, "data__n": 8, "steps": 4, "monitor_every": 2, "optimiser__batch_size": 2}
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def small() -> Callable[..., dict]:
    """Overrides of recipes at 16x16 with a tiny network."""

    def make(problem: str = "mri", **more: object) -> dict:
        channels = 2 if problem.startswith("mri") else 1
        return SMALL | {"model__iteration__denoiser": TINY | {"channels": channels}} | more

    return make


@pytest.fixture
def small_grid(small):
    """The function that makes tasks of one problem, small."""

    def make(problem="mri", methods=("ei", "inverse"), seeds=(0,), *, start=None, variants=(None,), **overrides):
        return grid([problem], methods, seeds, start=start, variants=variants, overrides=small(problem, **overrides))

    return make


@pytest.fixture
def places(tmp_path):
    """Folders of a study."""
    return Places(results=tmp_path / "results", work=tmp_path / "work")


@pytest.fixture
def run(monkeypatch, tmp_path) -> Callable[..., Result]:
    """Run `eiwork-study` with the given arguments in an empty folder, on a wide terminal without colours."""
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
        assert "\n" not in text
        return text

    return read
