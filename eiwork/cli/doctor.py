"""`eiwork doctor`: is everything here that the workbook needs, and does it work?"""

import importlib
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import typer
from packaging.requirements import Requirement
from rich.table import Table

import eiwork
from eiwork.cli.locations import find_chromium, project_folder
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json
from eiwork.errors import EiworkError
from eiwork.files import ensure_output_folder

Status = Literal["ok", "note", "problem"]
_STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


@dataclass(frozen=True)
class Check:
    """Outcome of one check; a note is something optional that is missing, and advice is empty when all is well."""

    name: str
    status: Status
    found: str
    advice: str = ""


def doctor(json_path: JsonPath = None) -> None:
    """Check the installation: versions, device, threads, embedded data, browser, output folder.

    Exit status 1 when something is wrong; a note is something optional that is missing.
    """
    check_json_path(json_path)
    checks = every_check()
    table = Table("", "what", "found", title="eiwork doctor")
    for check in checks:
        found = f"{check.found}\n{check.advice}" if check.advice else check.found
        table.add_row(check.status, check.name, found, style=_STYLES[check.status])
    console().print(table)
    problems = [check.name for check in checks if check.status == "problem"]
    write_json(json_path, {"ok": not problems, "checks": [asdict(check) for check in checks]})
    if problems:
        console().print(f"{len(problems)} problem(s): {', '.join(problems)}.", style="bold red")
        raise typer.Exit(1)
    console().print("Everything that the workbook needs is here.", style="green")


def every_check() -> list[Check]:
    """Run all checks, in the order in which they are worth reading."""
    single: list[Callable[[], Check]] = [_deepinv, _device, _data, _lessons, _chromium, _output]
    here = [Check("eiwork", "ok", eiwork.__version__), Check("Python", "ok", platform.python_version())]
    return here + _packages() + [check() for check in single]


def _packages() -> list[Check]:
    """Compare the version of every declared dependency with its range; a missing extra is only a note."""
    checks: dict[str, Check] = {}
    for requirement in map(Requirement, requires("eiwork") or []):
        extra = str(requirement.marker).split('"')[1] if requirement.marker else None  # of `extra == "lab"`
        # The extra bench holds peers for comparisons, which no lesson needs.
        if requirement.name not in {"eiwork", *checks} and extra != "bench":
            checks[requirement.name] = _package(requirement, extra)
    return list(checks.values())


def _package(requirement: Requirement, extra: str | None) -> Check:
    remedy = f'pip install "eiwork[{extra}]"' if extra else "pip install --upgrade eiwork"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return Check(requirement.name, "note" if extra else "problem", "not installed", remedy)
    if not requirement.specifier.contains(installed, prereleases=True):
        return Check(requirement.name, "problem", f"{installed}, and {requirement.specifier} is needed", remedy)
    return Check(requirement.name, "ok", installed)


def _deepinv() -> Check:
    try:
        importlib.import_module("deepinv")
    except (ImportError, RuntimeError, OSError) as error:  # a torchvision of another torch fails in each of these ways
        remedy = "torch and torchvision are probably of different releases: pip install --upgrade torch torchvision"
        return Check("import deepinv", "problem", f"{type(error).__name__}: {error}", remedy)
    return Check("import deepinv", "ok", "works")


def _device() -> Check:
    import torch

    from eiwork import device

    found = device.describe(device.resolve("auto"))
    return Check("device", "ok", f"{found}; {torch.get_num_threads()} threads on {os.cpu_count()} cores")


def _data() -> Check:
    from eiwork.data import verify

    return _attempt("embedded data", "damaged", lambda: f"{len(verify())} files, every SHA-256 as in the manifest")


def _lessons() -> Check:
    def find() -> str:
        folder = project_folder() / "notebooks"
        return f"{len(list(folder.glob('[0-9][0-9]_*.ipynb')))} in {folder}"

    return _attempt("lessons", "not found from here", find, "note")


def _chromium() -> Check:
    found = find_chromium()
    if found is None:
        return Check("Chromium", "note", "not found", "Only tests in a browser need it: sudo apt-get install chromium")
    return Check("Chromium", "ok", str(found))


def _output() -> Check:
    """Check the place of `eiwork train`'s output, without leaving a new folder behind."""
    folder = Path("runs") if Path("runs").is_dir() else Path()
    return _attempt(
        "output folder", "cannot be written", lambda: f"{ensure_output_folder(folder).resolve()} can be written"
    )


def _attempt(name: str, problem: str, find: Callable[[], str], status: Status = "problem") -> Check:
    try:
        return Check(name, "ok", find())
    except EiworkError as error:
        return Check(name, status, problem, str(error))
