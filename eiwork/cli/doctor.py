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
from eiwork.errors import EiworkError, InputError
from eiwork.files import ensure_output_folder
from eiwork.progress import track

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
    """Check versions, device, threads, data, browser, output folder: exit status 1 when something is wrong."""
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
    import torch

    from eiwork import data, device

    output = Path("runs") if Path("runs").is_dir() else Path()  # of `eiwork train`; no new folder is left behind
    lessons = "[0-9][0-9]_*.ipynb"
    others: list[tuple[str, str, Status, Callable[[], str]]] = [
        ("import deepinv", "cannot be imported", "problem", _deepinv),
        ("device", "cannot be used", "problem", lambda: device.describe(device.resolve("auto"))),
        ("embedded data", "damaged", "problem", lambda: f"{len(data.verify())} files, as in the manifest"),
        ("lessons", "not found", "note", lambda: f"{len(list((project_folder() / 'notebooks').glob(lessons)))} found"),
        ("Chromium", "not found", "note", _chromium),
        ("output folder", "cannot be written", "problem", lambda: str(ensure_output_folder(output).resolve())),
    ]
    here = [("eiwork", eiwork.__version__), ("Python", platform.python_version())]
    here += [("threads", f"{torch.get_num_threads()} on {os.cpu_count()} cores")]
    return (
        [Check(name, "ok", found) for name, found in here]
        + _packages()
        + [_attempt(*other) for other in track(others, "checks")]
    )


def _packages() -> list[Check]:
    """Every declared dependency, its version compared with its range; a missing extra is only a note."""
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


def _attempt(name: str, problem: str, status: Status, find: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", find())
    except EiworkError as error:
        return Check(name, status, problem, str(error))


def _deepinv() -> str:
    try:
        importlib.import_module("deepinv")
    except (ImportError, RuntimeError, OSError) as error:  # a torchvision of another torch fails in each of these ways
        remedy = "torch and torchvision are probably of different releases: pip install --upgrade torch torchvision"
        raise InputError(f"{type(error).__name__}: {error}; {remedy}") from error
    return "works"


def _chromium() -> str:
    if (found := find_chromium()) is None:
        raise InputError("Only tests in a browser need it: sudo apt-get install chromium")
    return str(found)
