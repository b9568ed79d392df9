import errno
import re
import resource
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eiwork.errors import CheckpointError, DataFormatError, InputError
from eiwork.files import ensure_output_folder, write_atomically, write_text_atomically


@pytest.fixture
def full_disk():
    """Files of this process cannot grow beyond 1 kB: writing more fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_writes_the_content_with_the_usual_permissions_and_makes_missing_folders(tmp_path):
    target = tmp_path / "a" / "b" / "text.json"
    assert write_text_atomically(target, "γ = 1\n") == target
    assert target.read_bytes() == "γ = 1\n".encode()
    assert [path.name for path in target.parent.iterdir()] == ["text.json"]
    plain = tmp_path / "plain"
    plain.write_text("")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_the_target_is_replaced_only_when_the_new_content_is_complete(tmp_path):
    target = tmp_path / "arrays.npz"
    target.write_text("old")
    seen = []

    def write(path: Path) -> None:
        np.savez(path, x=np.arange(3))  # which looks at the suffix
        seen.append(target.read_text())

    write_atomically(target, write)
    assert seen == ["old"]
    with np.load(target) as arrays:
        assert arrays["x"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.npz"]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("state.bin", lambda path: path.write_bytes(b"x" * 100_000)),
        ("model.safetensors", lambda path: save_file({"weight": torch.zeros(25_000)}, path)),
        ("arrays.npz", lambda path: np.savez(path, x=np.zeros(25_000))),
    ],
)
def test_a_full_disk_is_one_error_that_names_the_file_and_keeps_the_old_one(tmp_path, full_disk, name, write):
    target = tmp_path / name
    target.write_bytes(b"old")
    with pytest.raises(CheckpointError, match=rf"Cannot write .*{re.escape(name)}: .*File too large"):
        write_atomically(target, write)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("cause", "error"),
    [(NO_SPACE, DataFormatError), (KeyboardInterrupt(), KeyboardInterrupt), (TypeError(), TypeError)],
)
def test_no_space_left_keeps_its_own_words_and_other_exceptions_pass_unchanged(tmp_path, cause, error):
    target = tmp_path / "x"
    target.write_text("old")

    def write(path: Path) -> None:
        path.write_text("half")
        raise cause

    with pytest.raises(error, match=r"No space left on device.*free space" if cause is NO_SPACE else "^$"):
        write_atomically(target, write, DataFormatError)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_an_output_folder_is_made_what_is_in_it_stays_and_a_file_is_refused(tmp_path):
    folder = ensure_output_folder(tmp_path / "runs" / "first")
    assert list(folder.iterdir()) == []
    (folder / "model.json").write_text("{}")
    ensure_output_folder(folder)
    assert [path.name for path in folder.iterdir()] == ["model.json"]
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match=r"Cannot write .*file/x: File exists"):
        write_text_atomically(tmp_path / "file" / "x", "text", InputError)
    with pytest.raises(CheckpointError, match=r"Cannot write .*file: File exists"):
        ensure_output_folder(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_an_output_folder_without_room_is_refused_before_any_work(tmp_path, full_disk):
    with pytest.raises(CheckpointError, match="File too large"):
        ensure_output_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
