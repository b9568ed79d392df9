import subprocess
import sys

import pytest

import eiwork

COMMANDS = ["doctor", "lab", "recipes", "train", "evaluate", "data", "data list", "data verify"]


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_help_lists_every_command_in_the_order_of_a_first_visit(run):
    result = run("--help")
    assert result.exit_code == 0
    listed = result.stdout.partition("Commands")[2]
    places = [listed.index(f" {command} ") for command in COMMANDS if " " not in command]
    assert places == sorted(places)
    assert run().output.strip() == result.output.strip(), "no command shows the help"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Usage: eiwork {command}" in result.stdout
    assert run(*command.split(), "-h").stdout == result.stdout


def test_an_unknown_command_is_a_usage_error(run):
    result = run("trian")
    assert result.exit_code == 2
    assert "No such command 'trian'" in result.stderr


def test_help_loads_neither_torch_nor_deepinv():
    """The help of every command comes at once, because heavy libraries wait for the commands that need them."""
    heavy = "('torch', 'deepinv', 'matplotlib', 'plotly', 'scipy')"
    done = python("-c", f"import eiwork.cli, sys; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_the_module_is_the_command(run):
    done = python("-m", "eiwork", "--version")
    assert (done.returncode, done.stdout) == (0, f"eiwork {eiwork.__version__}\n")
    assert run("--version").stdout == done.stdout
