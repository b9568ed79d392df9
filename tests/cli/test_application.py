import json
import shutil
import subprocess
import sys

import pytest

import eiwork
from eiwork.data import store

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
    unknown = run("trian")
    assert (unknown.exit_code, "No such command 'trian'" in unknown.stderr) == (2, True)


def test_help_loads_no_heavy_library_and_the_module_is_the_command(run):
    heavy = "('torch', 'deepinv', 'matplotlib', 'plotly', 'scipy')"
    light = "import eiwork.cli, eiwork_study.cli, eiwork.results, sys"
    done = python("-c", f"{light}; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
    done = python("-m", "eiwork", "--version")
    assert (done.returncode, done.stdout) == (0, f"eiwork {eiwork.__version__}\n")
    assert run("--version").stdout == done.stdout


def test_data_lists_every_set_with_its_licence_and_counts_the_verified_files(run, tmp_path):
    result = run("data", "list", "--json", "sets.json")
    assert result.exit_code == 0
    for word in ("ct", "mri", "natural", "totalsegmentator", "Apache-2.0"):
        assert word in result.stdout
    assert json.loads((tmp_path / "sets.json").read_text()) == store.manifest()
    result = run("data", "verify", "--json", "verified.json")
    files = json.loads((tmp_path / "verified.json").read_text())["verified"]
    assert result.exit_code == 0
    assert f"{len(files)} files" in result.stdout
    assert "ct_train.npz" in "".join(files)


def test_verify_names_an_altered_file(run, tmp_path, advice, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(store.FOLDER, folder)
    licence = next((folder / "LICENCES").iterdir())
    licence.write_text(licence.read_text() + "altered")
    monkeypatch.setattr(store, "FOLDER", folder)
    result = run("data", "verify")
    assert result.exit_code == 1
    assert licence.name in advice(result)
