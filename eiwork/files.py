"""Files that are either complete or not there: atomic writes, and output folders checked in advance."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from eiwork.errors import CheckpointError, EiworkError


def write_atomically(
    path: str | os.PathLike[str], write: Callable[[Path], object], error: type[EiworkError] = CheckpointError
) -> Path:
    """Write a file so that a reader finds the old content or the new content, never a part, and return its path.

    `write` creates a temporary file beside it, of the same suffix, which is flushed to the disk and renamed over
    `path`. Whatever goes wrong, Ctrl-C included, the old file stays. Missing parent folders are made. Raises `error`
    when the disk is full or the folder cannot be written, and whatever `write` raises for other reasons.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(6)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        _flush_to_disk(temporary)
        os.replace(temporary, target)
    except (OSError, SafetensorError) as cause:  # safetensors reports a full disk with a class of its own
        raise error(_advice(target, cause)) from cause
    finally:
        _remove(temporary)
    return target


def write_text_atomically(path: str | os.PathLike[str], text: str, error: type[EiworkError] = CheckpointError) -> Path:
    """`write_atomically` for a text, in UTF-8."""
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"), error)


def ensure_output_folder(path: str | os.PathLike[str], error: type[EiworkError] = CheckpointError) -> Path:
    """Create a folder if need be and return it; raises `error`, before any long work, where files cannot be written."""
    folder = Path(path)
    probe = folder / f".probe.{secrets.token_hex(6)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
        _flush_to_disk(probe)
    except OSError as cause:
        raise error(_advice(folder, cause)) from cause
    finally:
        _remove(probe)
    return folder


def _flush_to_disk(path: Path) -> None:  # only then does a rename survive a power cut, or a full disk show
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # the folder itself is unusable, which the first error already says
        return


def _advice(path: Path, cause: Exception) -> str:
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    told = f"Cannot write {path}: {reason}. Nothing was changed there. Check that the folder exists, may be written "
    return told + "by you and that its disk has free space, or choose another place."
