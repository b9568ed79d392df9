import warnings

import pytest
import typer
from typer.testing import CliRunner

from eiwork import errors
from eiwork.cli.advice import AdviceGroup, need_extra


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


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InputError, 2),
        (errors.RecipeError, 2),
        (errors.CheckpointError, 1),
        (errors.ConvergenceError, 1),
        (errors.DataFormatError, 1),
    ],
)
def test_the_status_tells_unusable_input_from_a_failure_and_the_advice_stays_on_one_line(error, status):
    advice = ("word " * 200).strip()
    result = command_that(raising(error(advice)))
    assert result.exit_code == status
    assert result.stderr == f"Error: {advice}\n"
    assert result.stdout == ""


def test_a_bug_is_not_hidden():
    result = command_that(raising(ZeroDivisionError("a bug")))
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_warning_is_one_line_without_a_file_name():
    def action():
        warnings.simplefilter("always")
        warnings.warn("The residual is 0.1.", errors.ConvergenceWarning, stacklevel=1)

    result = command_that(action)
    assert result.exit_code == 0
    assert result.stderr.strip() == "Warning: The residual is 0.1."


def test_a_missing_extra_is_told_with_its_pip_command():
    with pytest.raises(errors.InputError, match=r'needs no_such_module.*pip install "eiwork\[book\]"'):
        need_extra("no_such_module", "book")
    need_extra("json", "book")
