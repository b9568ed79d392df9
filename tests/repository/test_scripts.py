"""The scripts behind `make`, run in an empty folder with programs that only record how they are called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ["sh", "dirname", "cat", "ls", "rm", "mkdir", "id", "sed", "awk"]


class Machine:
    """A project folder and a PATH with a few programs of Debian's base system and fakes."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.bin, self.log = folder / "project", folder / "bin", folder / "log"
        self.bin.mkdir()
        self.log.touch()
        shutil.copytree(root / "scripts", self.folder / "scripts")
        (self.folder / "pyproject.toml").write_text("[project]\n")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))

    def program(self, name: str, body: str, folder: Path | None = None) -> Path:
        """Write a shell script that logs its arguments, then runs `body`."""
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!{shutil.which("sh")}\necho "{name} $*" >> {self.log}\n{body}\n')
        path.chmod(0o755)
        return path

    def python(self, name: str = "python3", folder: Path | None = None, *, before: str = "") -> Path:
        """A program that is this very Python, except for the cases in `before`."""
        return self.program(name, f'case "$*" in\n{before}\nesac\nexec {sys.executable} "$@"', folder)

    def environment(self, before: str = "*install*|*'pip config'*|*deepinv*) exit 0 ;;") -> None:
        """An environment that exists; its Python does nothing when it is asked to install."""
        self.python("python", self.folder / ".venv" / "bin", before=before)
        (self.folder / ".venv" / "pyvenv.cfg").touch()

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": str(self.bin), "HOME": str(self.folder), **variables}
        command = ["sh", f"scripts/{script}", *arguments]
        return subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True)

    def calls(self, word: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if word in line]


@pytest.fixture
def machine(tmp_path, root):
    return Machine(tmp_path, root)


def test_without_a_python_that_can_be_used_the_remedy_is_told(machine):
    def refused(*words, **variables):
        done = machine.run("environment.sh", **variables)
        assert done.returncode == 1
        assert [word for word in words if word not in done.stderr] == []

    refused("no Python 3.11 or newer was found", "apt-get install python3")
    machine.program("python3", 'case "$*" in *platform*) echo 3.9.2 ;; *) exit 1 ;; esac')
    refused("too old: python3 is 3.9.2")
    machine.python()
    refused("PYTHON=python4 is not a program", PYTHON="python4")  # the one that the user names is the only one tried
    machine.python(before="*ensurepip*|*virtualenv*) exit 1 ;;")
    refused("sudo apt-get install python3-venv", f"python3.{sys.version_info.minor}-venv")
    assert not (machine.folder / ".venv").exists()


def test_a_newer_python_beside_an_old_one_is_found_and_virtualenv_used_where_ensurepip_is_missing(machine):
    machine.program("python3", "exit 1")
    machine.python("python3.12", before="*ensurepip*|*virtualenv*|*without-pip*) exit 1 ;;")
    assert f"({machine.bin}/python3.12)" in machine.run("environment.sh").stdout
    machine.log.write_text("")
    machine.python(before="*ensurepip*) exit 1 ;; *virtualenv*) exit 0 ;;")
    machine.run("environment.sh")
    assert machine.calls("-m virtualenv --quiet --clear .venv")
    assert not machine.calls("-m venv")


def test_an_environment_is_created_and_filled(machine):
    made = machine.folder / "made"
    machine.python("python", made, before="*install*|*deepinv*) exit 0 ;;")
    copy = f"mkdir -p .venv/bin; cat {made}/python > .venv/bin/python; chmod +x .venv/bin/python"
    (machine.bin / "chmod").symlink_to(shutil.which("chmod"))
    machine.python(before=f"*'-m venv'*) {copy}; exit 0 ;;")
    done = machine.run("environment.sh")
    assert done.returncode == 0, done.stderr
    assert "creating the environment .venv with Python 3." in done.stdout
    assert machine.calls("-m uv pip install --python .venv/bin/python")
    assert not machine.calls("--no-compile"), "what uv has installed pip does not install again"


@pytest.mark.parametrize("failing", ["'-m pip install'*uv", "'-m uv pip install'*"])
def test_pip_installs_where_uv_cannot(machine, failing):
    machine.environment(before=f"*{failing}) exit 1 ;; *install*|*deepinv*) exit 0 ;;")
    done = machine.run("environment.sh")
    assert done.returncode == 0, done.stderr
    assert "installing with pip" in done.stdout
    assert machine.calls("-m pip install --disable-pip-version-check --no-compile --editable .[all]")


def test_uv_asks_the_indexes_that_pip_is_set_up_for(machine):
    settings = "global.index-url='https://mirror.example/simple'\n:env:.constraint='/etc/caps.txt'\nglobal.timeout='9'"
    report = f'echo "uv asks $UV_DEFAULT_INDEX within $UV_CONSTRAINT $UV_INDEX" >> {machine.log}'
    machine.environment(
        before=f"*'pip config list'*) printf \"{settings}\\n\"; exit 0 ;; "
        f"*'uv pip install'*) {report}; exit 0 ;; *install*|*deepinv*) exit 0 ;;"
    )
    assert machine.run("environment.sh", UV_INDEX="kept").returncode == 0
    assert machine.calls("uv asks") == ["uv asks https://mirror.example/simple within /etc/caps.txt kept"]


def test_libraries_are_compiled_even_where_python_is_told_not_to(machine):
    report = f'echo "bytecode unwanted: $PYTHONDONTWRITEBYTECODE" >> {machine.log}'
    machine.environment(before=f"*deepinv*) {report}; exit 0 ;; *install*|*'pip config'*) exit 0 ;;")
    assert machine.run("environment.sh", PYTHONDONTWRITEBYTECODE="1").returncode == 0
    assert machine.calls("bytecode unwanted") == ["bytecode unwanted: "] * 2
    assert machine.calls("jupyterlab.labapp")


def test_a_second_run_installs_nothing_and_a_changed_pyproject_is_installed_again(machine):
    machine.environment()
    assert machine.run("environment.sh").returncode == 0
    done = machine.run("environment.sh")
    assert done.returncode == 0
    assert "up to date" in done.stdout
    assert len(machine.calls("uv pip install")) == 1
    (machine.folder / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    machine.run("environment.sh")
    assert len(machine.calls("uv pip install")) == 2


@pytest.mark.parametrize(
    ("failing", "message"),
    [("*install*", "the installation failed"), ("*deepinv*", "deepinv was installed but cannot be imported")],
)
def test_a_failed_installation_is_told_and_tried_again(machine, failing, message):
    machine.environment(before=f"{failing}) exit 1 ;; *install*|*deepinv*) exit 0 ;;")
    done = machine.run("environment.sh")
    assert done.returncode == 1
    assert message in done.stderr
    machine.environment()
    assert machine.run("environment.sh").returncode == 0
    assert len(machine.calls("--editable")) == 2


def test_a_folder_that_is_no_environment_is_left_alone(machine):
    machine.python()
    (machine.folder / ".venv").mkdir()
    (machine.folder / ".venv" / "thesis.txt").write_text("precious")
    done = machine.run("environment.sh")
    assert done.returncode == 1
    assert "it is left alone" in done.stderr
    assert (machine.folder / ".venv" / "thesis.txt").read_text() == "precious"


def test_missing_packages_are_installed_by_root_and_present_ones_need_no_apt(machine):
    machine.program("make", "")
    (machine.bin / "id").unlink()
    machine.program("id", "echo 0")
    machine.program("apt-get", "")
    for arguments in ((), ("python3-venv", "chromium")):
        done = machine.run("debian_packages.sh", *arguments)
        assert done.returncode == 0, done.stderr
        assert machine.calls("apt-get -qq install")[-1].endswith(" python3-venv chromium")
    assert len(machine.calls("apt-get -qq install")) == 2
    (machine.bin / "apt-get").unlink()
    machine.program("chromium", "")
    machine.python(before="*ensurepip*) exit 0 ;;")
    done = machine.run("debian_packages.sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("user", "apt", "told"),
    [("1000", "", "sudo apt-get install chromium"), ("0", "exit 100", "could not install: chromium")],
)
def test_what_cannot_be_installed_is_told(machine, user, apt, told):
    (machine.bin / "id").unlink()
    machine.program("id", f"echo {user}")
    machine.program("apt-get", apt)
    done = machine.run("debian_packages.sh", "chromium")
    assert done.returncode == 1
    assert told in done.stderr


def test_continuous_integration_requires_the_browser_and_runs_make_test(machine, root):
    shutil.copytree(root / ".ci", machine.folder / ".ci")
    machine.program("make", 'echo "$1, browser required: $EIWORK_REQUIRE_BROWSER"')
    machine.python(before="*ensurepip*) exit 0 ;;")
    machine.program("sudo", "exit 1")
    command = [shutil.which("bash"), str(machine.folder / ".ci" / "run")]
    done = subprocess.run(command, env={"PATH": str(machine.bin)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "missing: chromium" in done.stderr
    assert machine.calls("make") == ["make environment"]
    for package in ("chromium", "env"):
        machine.program(package, "")
    done = subprocess.run(command, env={"PATH": str(machine.bin)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["environment, browser required: 1", "test, browser required: 1"]
    assert os.access(root / ".ci" / "run", os.X_OK)
    assert os.access(root / "scripts" / "environment.sh", os.X_OK)
