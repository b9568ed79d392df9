"""The embedded files: hashes, provenance, and what happens when a file is damaged."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from eiwork import data
from eiwork.data import store
from eiwork.errors import DataFormatError

USES = (
    data.verify,
    lambda copy: data.load("mri", "test", 16, folder=copy),
    lambda copy: data.radial_kspace(16, folder=copy),
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(store.FOLDER, tmp_path / "files"))


def test_every_file_is_verified_and_small_and_the_manifest_states_provenance_and_licence() -> None:
    files = data.verify()
    on_disk = [path for path in store.FOLDER.rglob("*") if path.is_file()]
    assert sorted([*files, "manifest.json"]) == sorted(path.relative_to(store.FOLDER).as_posix() for path in on_disk)
    assert sum(path.stat().st_size for path in on_disk) < 12 * 2**20
    assert sum(file.endswith(".npz") for file in files) == 7
    content = data.manifest()
    for name, splits in content["sets"].items():
        assert list(splits) == (["test"] if name == "radial" else ["train", "test"])
        for entry in splits.values():
            raw = (store.FOLDER / entry["file"]).read_bytes()
            assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
            assert len(raw) == entry["bytes"]
            for subject in entry["subjects"].values():
                assert {"package", "version", "archive_sha256", "member", "licence"} <= subject.keys()
                assert subject["processing"]
                assert subject["licence_files"]
                assert set(subject["licence_files"]) <= content["licences"].keys()


@pytest.mark.parametrize("name", ["ct", "mri", "natural"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_stored_arrays_are_what_the_manifest_says(name: str, split: str) -> None:
    entry = data.manifest()["sets"][name][split]
    held = store.read_arrays(name, split)
    for subject, description in entry["subjects"].items():
        assert list(held[subject].shape) == description["shape"]
        assert held[subject].dtype.name == description["dtype"]
        for plane, count in description["usable_slices"].items():
            assert len(held[f"{subject}.{plane}"]) == count
        with pytest.raises(ValueError, match="read-only"):
            held[subject][0] = 0
    assert data.data_hash(name, split) == entry["content_sha256"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[: len(raw) // 2], "truncated"),
        (lambda raw: b"", "truncated"),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "SHA-256"),
        (lambda raw: raw + b"x", "SHA-256"),
    ],
    ids=["half", "empty", "one bit", "longer"],
)
def test_a_damaged_file_is_named(copy: Path, damage, message: str) -> None:
    path = copy / "mri_test.npz"
    path.write_bytes(damage(path.read_bytes()))
    for call in (*USES[:2], lambda copy: data.data_hash("mri", "test", copy)):
        with pytest.raises(DataFormatError, match=rf"mri_test\.npz.*{message}.*Reinstall the package, or rebuild"):
            call(copy)
    assert data.load("natural", "test", 64, folder=copy).shape[0] > 0


@pytest.mark.parametrize(("file", "use"), [("mri", USES[1]), ("radial", USES[2])])
def test_a_file_damaged_or_lost_after_its_first_use_is_noticed(copy: Path, file: str, use) -> None:
    use(copy)
    path = copy / f"{file}_test.npz"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataFormatError, match=rf"{file}_test\.npz is truncated"):
        use(copy)
    path.unlink()
    for call in (USES[0], use):
        with pytest.raises(DataFormatError, match=rf"{file}_test\.npz is missing"):
            call(copy)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", json.dumps({"format": 2, "sets": {"a": 1}, "licences": {"a": 1}})]
)
def test_a_damaged_or_missing_manifest_is_named(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(DataFormatError, match=r"manifest\.json, cannot be used"):
        data.verify(copy)
    with pytest.raises(DataFormatError, match=r"manifest\.json"):
        data.load("ct", "train", folder=copy / "LICENCES")


def test_pickled_arrays_are_refused(copy: Path) -> None:
    path = copy / "ct_test.npz"
    np.savez(path, abdomen=np.array([{}], dtype=object))
    raw, listed = path.read_bytes(), copy / "manifest.json"
    content = data.manifest(copy)
    content["sets"]["ct"]["test"] |= {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    listed.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.read_arrays("ct", "test", copy)
