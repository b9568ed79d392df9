"""Whether an executed copy still belongs to its notebook, to the code and to the installed libraries."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import eiwork
from eiwork.provenance import machine

_PACKAGE = Path(eiwork.__file__).parent
_RESULTS = _PACKAGE.parent / "results"
# What a lesson's result can depend on: lessons import `eiwork` alone, neither what makes the study nor the book.
_SUFFIXES = {".py", ".js", ".css", ".json", ".npz", ".safetensors"}
_LEFT_OUT = {"cli", "__pycache__"}
RECORD = "eiwork"


def package_fingerprint(package: Path = _PACKAGE) -> str:
    """SHA-256 over the names and contents of the package's code and data files."""
    files = (path for path in package.rglob("*") if path.suffix in _SUFFIXES)
    return _digest(package, (path for path in files if not _LEFT_OUT & {*path.relative_to(package).parts}))


def results_fingerprint(results: Path = _RESULTS) -> str:
    """SHA-256 over the names and contents of the study's committed results, of which lessons make their verdicts."""
    return _digest(results, results.rglob("*.json"))


def _digest(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(folder).as_posix()
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def identity(notebook: Path, mode: str) -> dict[str, Any]:
    """What an executed copy of this notebook must have been made from to be up to date."""
    here = machine()
    return {
        "source_sha256": hashlib.sha256(notebook.read_bytes()).hexdigest(),
        "package_sha256": package_fingerprint(),
        "results_sha256": results_fingerprint(),
        "mode": mode,
        "versions": {"eiwork": eiwork.__version__} | {key: here[key] for key in ("python", "torch", "deepinv")},
    }


def is_up_to_date(record: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    """Whether the record in an executed copy's metadata agrees with what is wanted now."""
    return record is not None and all(record.get(key) == value for key, value in wanted.items())
