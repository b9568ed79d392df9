"""The embedded files: manifest, verification of hashes, and reading."""

import hashlib
import json
import numbers
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eiwork.errors import DataFormatError, InputError, choices

# A run-time type check takes `float` at its word, and people write warp=0 and window=(-160, 240).
Real = float | int
FOLDER = Path(__file__).parent / "files"
_REMEDY = "Reinstall the package, or rebuild the files with `eiwork data build`."


def is_whole_number(value: object) -> bool:
    """Whether a value is an integer, numpy's included; True and False are not counted as numbers."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def manifest(folder: Path | str | None = None) -> dict[str, Any]:
    """What the embedded files hold: SHA-256, size, subjects, provenance, processing and licence of each.

    folder: written by `eiwork-study prepare`; the package's own by default. Raises DataFormatError for a missing or
    unreadable manifest.json.
    """
    path = _folder(folder) / "manifest.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] == 1 and content["sets"] and content["licences"]:
            return dict(content)
        problem = f"its format is {content['format']!r}, and 1 is expected"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
    raise DataFormatError(f"The manifest of the embedded data, {path}, cannot be used ({problem}). {_REMEDY}")


def verify(folder: Path | str | None = None) -> list[str]:
    """The names of all embedded files, licence texts included; DataFormatError for a missing, short or altered one."""
    content = manifest(folder)
    entries = {entry["file"]: entry for splits in content["sets"].values() for entry in splits.values()}
    entries |= content["licences"]
    for file, entry in entries.items():
        _check(_folder(folder) / file, entry)
    return sorted(entries)


def data_hash(name: str, split: str, folder: Path | str | None = None) -> str:
    """SHA-256 of the arrays of one set and split, for every checkpoint and result; raises as `load`."""
    read_arrays(name, split, folder)
    return str(entry_of(name, split, folder)["content_sha256"])


def entry_of(name: str, split: str, folder: Path | str | None = None) -> dict[str, Any]:
    """Manifest entry of one set and split; InputError for a name or a split that does not exist."""
    sets = manifest(folder)["sets"]
    if name not in sets:
        raise InputError(f"There is no embedded set {name!r}: {choices(name, sets, '`eiwork data list`')}.")
    if split not in sets[name]:
        raise InputError(f"The set {name!r} has no split {split!r}: {choices(split, sets[name], 'the manifest')}.")
    return dict(sets[name][split])


def read_arrays(name: str, split: str, folder: Path | str | None = None) -> dict[str, NDArray[np.generic]]:
    """Arrays of one embedded file, read-only, after a check of its SHA-256 (once per process and file state)."""
    entry = entry_of(name, split, folder)
    path = _folder(folder) / entry["file"]
    try:
        state = path.stat()
    except OSError as error:
        raise _missing(path, error) from error
    return _verified_arrays(path, entry["sha256"], entry["bytes"], state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _verified_arrays(path: Path, sha256: str, size: int, *_state: int) -> dict[str, NDArray[np.generic]]:
    _check(path, {"sha256": sha256, "bytes": size})
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _check(path: Path, entry: dict[str, Any]) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _missing(path, error) from error
    if len(content) < entry["bytes"]:
        reason = f"{len(content)} bytes of {entry['bytes']}. The copy or the checkout was interrupted"
        raise DataFormatError(f"The data file {path} is truncated: {reason}. {_REMEDY}")
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        raise DataFormatError(
            f"The data file {path} has SHA-256 {found}, and the manifest says {entry['sha256']}: it was altered, or "
            f"a version-control filter changed its bytes. {_REMEDY}"
        )


def _missing(path: Path, error: OSError) -> DataFormatError:
    return DataFormatError(f"The data file {path} is missing or cannot be read ({error}). {_REMEDY}")


def _folder(folder: Path | str | None) -> Path:
    return FOLDER if folder is None else Path(folder)
