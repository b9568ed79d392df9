import warnings

import pytest
import typer
from typer.testing import CliRunner

from eiwork.cli.advice import AdviceGroup, exit_status, need_extra
from eiwork.errors import (
    CheckpointError,
    ConvergenceError,
    ConvergenceWarning,
    DataFormatError,
    InputError,
    RecipeError,
)


def command_that(action):
    """A command line with one command, which does `action`."""
    app = typer.Typer(cls=AdviceGroup)
    app.command("act")(action)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["act"])


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize("error", [InputError, RecipeError])
def test_unusable_input_is_advice_and_status_2(error):
    result = command_that(raising(error("Use another name.")))
    assert result.exit_code == 2
    assert result.stderr.strip() == "Error: Use another name."
    assert result.stdout == ""


@pytest.mark.parametrize("error", [CheckpointError, ConvergenceError, DataFormatError])
def test_a_failure_is_advice_and_status_1(error):
    result = command_that(raising(error("It went wrong.")))
    assert result.exit_code == exit_status(error("")) == 1
    assert result.stderr.strip() == "Error: It went wrong."


def test_a_long_advice_stays_on_one_line():
    text = "word " * 200
    assert command_that(raising(InputError(text.strip()))).stderr.count("\n") == 1


def test_a_bug_is_not_hidden():
    result = command_that(raising(ZeroDivisionError("a bug")))
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_warning_is_one_line_without_a_file_name():
    def action():
        warnings.simplefilter("always")
        warnings.warn("The residual is 0.1.", ConvergenceWarning, stacklevel=1)

    result = command_that(action)
    assert result.exit_code == 0
    assert result.stderr.strip() == "Warning: The residual is 0.1."


def test_a_missing_extra_is_told_with_its_pip_command():
    with pytest.raises(InputError, match=r'needs no_such_module.*pip install "eiwork\[book\]"'):
        need_extra("no_such_module", "book")
    need_extra("json", "book")
