import os
import subprocess
import sys
from pathlib import Path

import pytest

from eiwork.cli.lab import lab_command, lab_environment
from eiwork.errors import InputError


def test_the_command_binds_to_this_machine_and_opens_the_first_lesson():
    command = lab_command(Path("/course/notebooks"), ["--no-browser"])
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--ServerApp.root_dir=/course/notebooks" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert command[-1] == "--no-browser"
    assert "--allow-root" not in command
    assert "--allow-root" in lab_command(Path("/course/notebooks"), [], as_root=True)


OPEN = [["--ip=0.0.0.0"], ["--ip", "0.0.0.0"], ["--ip="], ["--ServerApp.ip=*"], ["--ip"]]
OPEN += [["--no-browser", "--ServerApp.ip='192.0.2.7'"]]
TOKENLESS = [["--IdentityProvider.token="], ["--ServerApp.token=''"], ["--NotebookApp.token", ""], ["--token="]]


@pytest.mark.parametrize("options", [*OPEN, *TOKENLESS])
def test_other_machines_and_an_empty_token_are_refused(options):
    with pytest.raises(InputError, match=r"other machines.*ssh -L" if options in OPEN else "turn the token off"):
        lab_command(Path(), options)


def test_harmless_options_are_passed_on():
    for options in (["--ip=127.0.0.1"], ["--ip", "localhost"], ["--IdentityProvider.token=secret", "--port=9000"]):
        assert lab_command(Path(), options)[-len(options) :] == options


def test_the_news_are_off_by_a_default_that_the_user_can_change(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/own")
    ours, own = lab_environment()["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert own == "/own"
    overrides = Path(ours) / "labconfig" / "default_setting_overrides.json"
    assert '"fetchNews": "false"' in overrides.read_text()
    monkeypatch.delenv("JUPYTER_CONFIG_PATH")
    assert lab_environment()["JUPYTER_CONFIG_PATH"] == ours


def test_the_command_line_replaces_itself_by_the_server(run, workbook, advice, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    monkeypatch.chdir(workbook)
    result = run("lab", "--", "--no-browser", "--port=9000")
    assert result.exit_code == 0
    result = run("lab", "--", "--ip=0.0.0.0")
    assert result.exit_code == 2
    assert "ssh -L" in advice(result)
    [(program, command, environment)] = calls  # unsafe options start nothing
    assert program == sys.executable
    assert command[-2:] == ["--no-browser", "--port=9000"]
    assert "jupyter_config" in environment["JUPYTER_CONFIG_PATH"]


def test_jupyterlab_itself_understands_the_command(workbook, tmp_path):
    """JupyterLab reports the configuration that the options of `eiwork lab` give it."""
    folders = ["CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"]
    environment = {f"JUPYTER_{name}": str(tmp_path / name) for name in folders}
    # --show-config prints it and stops before a server starts.
    command = lab_command(workbook / "notebooks", ["--no-browser", "--show-config"], as_root=True)
    done = subprocess.run(command, env={**lab_environment(), **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "unrecognized" not in done.stderr.lower()
    assert f".root_dir = '{workbook / 'notebooks'}'" in done.stdout
    assert ".default_url = '/lab/tree/00_start_here.ipynb'" in done.stdout
    assert ".ip = '127.0.0.1'" in done.stdout
