"""Read one member of a wheel, an sdist or a Debian package, without installing anything."""

import io
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

from eiwork.errors import DataFormatError

# What a missing member, a truncated file and changed bytes raise in the three kinds of archive.
_BROKEN = (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)


def read_member(archive: Path, member: str) -> bytes:
    """Bytes of one file inside a .whl, .tar.gz or .deb archive.

    Raises DataFormatError where the archive is none of these, is damaged, or lacks the member.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        if archive.suffix == ".deb":
            with tarfile.open(fileobj=io.BytesIO(_data_part(archive)), mode="r:*") as tree:
                return _extract(tree, f"./{member}")
        if archive.name.endswith(".tar.gz"):
            with tarfile.open(archive, mode="r:gz") as tree:
                return _extract(tree, member)
    except _BROKEN as error:
        raise DataFormatError(
            f"Cannot read {member!r} from {archive}: {error}. The archive is damaged, or its version keeps the "
            "file elsewhere; delete it and download it again."
        ) from error
    raise DataFormatError(f"{archive} is not an archive that can be read here (.whl, .tar.gz or .deb).")


def _extract(tree: tarfile.TarFile, member: str) -> bytes:
    stream = tree.extractfile(member)
    if stream is None:
        raise KeyError(f"{member} is not a regular file")
    return stream.read()


def _data_part(archive: Path) -> bytes:
    """Bytes of data.tar.* in a Debian package: an `ar` file of 60-byte headers and even-padded parts."""
    with archive.open("rb") as stream:
        if stream.read(8) != b"!<arch>\n":
            raise tarfile.ReadError("it does not begin like a Debian package")
        while header := stream.read(60):
            size = int(header[48:58])
            if header[:16].startswith(b"data.tar"):
                return stream.read(size)
            stream.seek(size + size % 2, io.SEEK_CUR)
    raise KeyError("data.tar")
