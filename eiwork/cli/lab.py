"""`eiwork lab`: JupyterLab on the workbook's first lesson, for this machine only and with a token."""

import os
import shlex
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer

from eiwork.cli.advice import need_extra
from eiwork.cli.locations import FIRST_LESSON, project_folder
from eiwork.cli.reporting import say
from eiwork.errors import InputError

_JUPYTER_CONFIG = Path(__file__).with_name("jupyter_config")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_IP_OPTIONS = {"--ip", "--ServerApp.ip", "--NotebookApp.ip"}
_TOKEN_OPTIONS = {"--token", "--IdentityProvider.token", "--ServerApp.token", "--NotebookApp.token"}
_OPTIONS = typer.Argument(metavar="JUPYTERLAB_OPTIONS", help="After a --, for example: -- --no-browser --port=9000")


def lab(jupyter_options: Annotated[list[str] | None, _OPTIONS] = None) -> None:
    """Open JupyterLab on the first lesson.

    The server listens on 127.0.0.1 only and asks for a token, which is part of the printed address. On a remote
    machine use `eiwork lab -- --no-browser` and forward the port with ssh -L. Ctrl-C stops the server.
    """
    need_extra("jupyterlab", "lab")
    folder = project_folder() / "notebooks"
    command = lab_command(folder, jupyter_options or [], as_root=hasattr(os, "geteuid") and os.geteuid() == 0)
    say(f"Lessons: {folder}\nRunning: {shlex.join(command[2:])}")
    sys.stdout.flush()
    # The server takes the place of this process: signals and its exit status need no passing on.
    os.execve(command[0], command, lab_environment())  # noqa: S606  # a fixed program; its options were checked


def lab_command(folder: Path, jupyter_options: Sequence[str], *, as_root: bool = False) -> list[str]:
    """The command that starts JupyterLab with the root `folder`; `as_root`: with the option that it asks of root.

    Raises InputError for an option that would open the server to other machines or turn its token off.
    """
    for option, following in zip_longest(jupyter_options, jupyter_options[1:], fillvalue=""):
        name, equals, value = option.partition("=")
        value = (value if equals else following).strip("'\"")
        if name in _IP_OPTIONS and value not in _LOOPBACK:
            told = f"{option} would let other machines reach JupyterLab, which runs code for whoever reaches it. "
            raise InputError(told + "Leave it out and forward the port: ssh -L 8888:127.0.0.1:8888 THIS_MACHINE")
        if name in _TOKEN_OPTIONS and not value:
            told = f"{option} would turn the token off, so that every user of this machine could run code as you. "
            raise InputError(told + "Leave it out: the address that JupyterLab prints already holds the token.")
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    command += [f"--LabApp.default_url=/lab/tree/{FIRST_LESSON}", *(["--allow-root"] if as_root else [])]
    return [*command, *jupyter_options]


def lab_environment() -> dict[str, str]:
    """This process's environment with our defaults of JupyterLab's settings: no news and no update check."""
    paths = [str(_JUPYTER_CONFIG), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(path for path in paths if path)}
