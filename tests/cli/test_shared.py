import json
import warnings

import pytest
import typer
from typer.testing import CliRunner

from eiwork import errors, progress
from eiwork.cli import advice, locations
from eiwork.cli.advice import AdviceGroup, need_extra
from eiwork.cli.reporting import check_json_path, write_json


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
    "name", ["InputError", "RecipeError", "CheckpointError", "ConvergenceError", "DataFormatError"]
)
def test_the_status_tells_unusable_input_from_a_failure_and_the_advice_stays_on_one_line(name):
    told = ("word " * 200).strip()
    result = command_that(raising(getattr(errors, name)(told)))
    assert result.exit_code == (2 if name in ("InputError", "RecipeError") else 1)
    assert (result.stdout, result.stderr) == ("", f"Error: {told}\n")
    bug = command_that(raising(ZeroDivisionError("a bug")))
    assert isinstance(bug.exception, ZeroDivisionError), "a bug is not hidden"


def test_ctrl_c_says_what_is_kept_and_how_to_go_on():
    def action(kept="Reports stay; the same command makes the others."):
        with advice.kept(kept):
            raise KeyboardInterrupt

    for act, told in ((action, "Reports stay; the same"), (raising(KeyboardInterrupt()), "Nothing was written")):
        result = command_that(act)
        assert (result.exit_code, result.stdout, result.stderr.startswith(f"Interrupted. {told}")) == (130, "", True)


def test_progress_is_shown_by_commands_alone_and_as_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.0)

    def done():
        return [part for name in progress.track(["one", "two"], "parts") for part in progress.track(name, name)]

    assert done() == [*"onetwo"]
    assert capsys.readouterr().err == "", "a lesson or a program sees nothing"
    with progress.shown():
        assert done() == [*"onetwo"]
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "\r" in line or "\x1b" in line or not line.strip()] == []
    assert {"parts: 1 of 2", "one: 2 of 3"} <= {line.partition(",")[0] for line in lines}
    assert lines[-1].startswith("parts: 2 of 2")
    assert "left, two" in lines[-1]


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


def test_json_is_written_whole_with_its_folder_where_a_path_is_given(tmp_path, capsys):
    path = tmp_path / "figures" / "a.json"
    for given in (None, path):
        check_json_path(given)
        assert capsys.readouterr().out == ""
        write_json(given, {"psnr": 25.5, "path": path})
        assert capsys.readouterr().out == ("" if given is None else f"Figures written to {path}\n")
    assert json.loads(path.read_text()) == {"psnr": 25.5, "path": str(path)}
    with pytest.raises(errors.InputError, match="Cannot write"):
        check_json_path(path / "below_a_file.json")


@pytest.mark.parametrize("inside", [".", "notebooks", "build/deep"])
def test_the_project_is_found_from_inside_it(workbook, monkeypatch, inside):
    (workbook / inside).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(workbook / inside)
    assert locations.project_folder() == workbook


def test_the_source_checkout_is_found_from_anywhere_and_its_absence_is_told(workbook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.InputError, match="source checkout"):
        locations.project_folder()
    monkeypatch.setattr("eiwork.__file__", str(workbook / "eiwork" / "__init__.py"))
    assert locations.project_folder() == workbook


def test_chromium_is_looked_for_on_the_path_or_named(tmp_path, monkeypatch):
    monkeypatch.delenv("EIWORK_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locations.find_chromium() is None
    for name in ("google-chrome", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert locations.find_chromium() == tmp_path / "google-chrome"
    for name, found in (("mine", tmp_path / "mine"), ("not-there", None)):
        monkeypatch.setenv("EIWORK_CHROMIUM", str(tmp_path / name))
        assert locations.find_chromium() == found
