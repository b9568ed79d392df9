"""The single checks of `eiwork doctor`; each returns what it found and, where something is missing, what to do."""

import enum
import importlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

import eiwork
from eiwork.cli.locations import find_chromium, notebooks_folder
from eiwork.errors import EiworkError
from eiwork.files import ensure_output_folder


class Status(enum.Enum):
    """Outcome of a check: a note is something optional that is missing."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """Outcome of one check: its name, what was found, and advice (empty when all is well)."""

    name: str
    status: Status
    found: str
    advice: str = ""


def every_check() -> list[Check]:
    """Run all checks, in the order in which they are worth reading."""
    checks = [
        Check("eiwork", Status.OK, eiwork.__version__),
        Check("Python", Status.OK, platform.python_version()),
    ]
    single: tuple[Callable[[], Check], ...] = (
        _deepinv,
        _device,
        _threads,
        _data,
        _lessons,
        _chromium,
        _output,
    )
    return checks + _packages() + [check() for check in single]


def _packages() -> list[Check]:
    """Compare the version of every declared dependency with its range; a missing extra is only a note."""
    checks: dict[str, Check] = {}
    for text in requires("eiwork") or []:
        requirement = Requirement(text)
        if requirement.name == "eiwork" or requirement.name in checks:
            continue
        extra = _extra(requirement)
        if extra != "bench":  # peers for comparisons, which no lesson needs
            checks[requirement.name] = _package(requirement, extra)
    return list(checks.values())


def _package(requirement: Requirement, extra: str | None) -> Check:
    remedy = f'pip install "eiwork[{extra}]"' if extra else "pip install --upgrade eiwork"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        status = Status.NOTE if extra else Status.PROBLEM
        return Check(requirement.name, status, "not installed", remedy)
    if not requirement.specifier.contains(installed, prereleases=True):
        return Check(requirement.name, Status.PROBLEM, f"{installed}, and {requirement.specifier} is needed", remedy)
    return Check(requirement.name, Status.OK, installed)


def _extra(requirement: Requirement) -> str | None:
    """Return the extra that asks for a requirement, read from its marker `extra == "lab"`."""
    return str(requirement.marker).split('"')[1] if requirement.marker else None


def _deepinv() -> Check:
    try:
        importlib.import_module("deepinv")
    except (
        ImportError,
        RuntimeError,
        OSError,
    ) as error:  # a torchvision of another torch fails in each of these ways
        return Check(
            "import deepinv",
            Status.PROBLEM,
            f"{type(error).__name__}: {error}",
            "torch and torchvision are probably of different releases: pip install --upgrade torch torchvision",
        )
    return Check("import deepinv", Status.OK, "works")


def _device() -> Check:
    from eiwork import device

    return Check("device", Status.OK, device.describe(device.resolve("auto")))


def _threads() -> Check:
    import torch

    return Check("threads", Status.OK, f"{torch.get_num_threads()} of {os.cpu_count()} cores")


def _data() -> Check:
    from eiwork.data import verify

    try:
        files = verify()
    except EiworkError as error:
        return Check("embedded data", Status.PROBLEM, "damaged", str(error))
    return Check("embedded data", Status.OK, f"{len(files)} files, every SHA-256 as in the manifest")


def _lessons() -> Check:
    try:
        folder = notebooks_folder()
    except EiworkError as error:
        return Check("lessons", Status.NOTE, "not found from here", str(error))
    return Check("lessons", Status.OK, f"{len(list(folder.glob('[0-9][0-9]_*.ipynb')))} in {folder}")


def _chromium() -> Check:
    found = find_chromium()
    if found is None:
        advice = "Only the tests in a browser need it: sudo apt-get install chromium"
        return Check("Chromium", Status.NOTE, "not found", advice)
    return Check("Chromium", Status.OK, str(found))


def _output() -> Check:
    """Check the place of `eiwork train`'s output, without leaving a new folder behind."""
    folder = Path("runs") if Path("runs").is_dir() else Path()
    try:
        ensure_output_folder(folder)
    except EiworkError as error:
        return Check("output folder", Status.PROBLEM, "cannot be written", str(error))
    return Check("output folder", Status.OK, f"{folder.resolve()} can be written")
