import subprocess
import sys

import pytest

import eiwork

COMMANDS = ["doctor", "lab", "recipes", "train", "evaluate", "notebooks", "notebooks run", "book"]
COMMANDS += ["data", "data list", "data verify", "data build"]


def test_help_lists_every_command_with_a_sentence(run):
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert command.split()[0] in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Usage: eiwork {command}" in result.stdout
    assert run(*command.split(), "-h").stdout == result.stdout


def test_version(run):
    assert run("--version").stdout == f"eiwork {eiwork.__version__}\n"


def test_no_command_shows_the_help(run):
    assert "Usage: eiwork" in run().output


def test_an_unknown_command_is_a_usage_error(run):
    result = run("trian")
    assert result.exit_code == 2
    assert "No such command 'trian'" in result.stderr


def test_help_loads_neither_torch_nor_deepinv():
    """The help of every command comes at once, because heavy libraries wait for the commands that need them."""
    code = "import eiwork.cli, sys; print([m for m in ('torch', 'deepinv', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_installed_command_and_the_module_are_the_same():
    done = subprocess.run([sys.executable, "-m", "eiwork.cli", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"eiwork {eiwork.__version__}\n")
