"""The writer of the embedded files and the hash of what they hold."""

from pathlib import Path

import numpy as np
import pytest

from eiwork import data
from eiwork.data import store
from eiwork_study.prepare import arrays


@pytest.mark.parametrize("name", ["ct", "mri", "natural"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_content_hash_of_the_embedded_files_is_that_of_the_manifest(name: str, split: str) -> None:
    assert arrays.content_sha256(store.read_arrays(name, split)) == data.data_hash(name, split)


def test_the_writer_is_deterministic_and_readable(tmp_path: Path) -> None:
    held = {"b": np.arange(6, dtype=np.uint16).reshape(2, 3), "a": np.array([1, 2], dtype=np.uint8)}
    raw = arrays.npz_bytes(held)
    again = arrays.npz_bytes(dict(reversed(held.items())) | {"b": np.asfortranarray(held["b"])})
    assert raw == again
    path = tmp_path / "x.npz"
    path.write_bytes(raw)
    with np.load(path, allow_pickle=False) as back:
        assert back.files == ["a", "b"]
        assert all(np.array_equal(back[name], held[name]) and back[name].dtype == held[name].dtype for name in held)


def test_the_content_hash_sees_name_type_shape_and_value() -> None:
    base = np.arange(6, dtype=np.uint8)
    variants = [{"a": base}, {"b": base}, {"a": base.astype(np.uint16)}, {"a": base.reshape(2, 3)}, {"a": base[::-1]}]
    assert len({arrays.content_sha256(variant) for variant in variants}) == len(variants)
    assert arrays.content_sha256({"a": base.astype(">u2")}) == arrays.content_sha256({"a": base.astype("<u2")})
