"""Parts as files: complete, found again, and only of this format."""

import pytest

import eiwork_study.proximal.parts as module
from eiwork.errors import DataFormatError, InputError
from eiwork_study.proximal import PARTS, load_part, make_part, part_path, save_report, trained


@pytest.fixture
def small_parts(monkeypatch, recipe, checkpoint):
    """Parts of the small recipe's trained model."""
    monkeypatch.setattr(module, "base_recipe", lambda _: recipe)
    monkeypatch.setattr(module, "subject_of", lambda *_: trained(checkpoint, "ei"))
    monkeypatch.setattr(module, "_FEW", 2)
    monkeypatch.setattr(module, "_MORE", 3)


def test_likes_have_a_row_for_each_corruption_and_the_curvature(small_parts, tmp_path):
    made = make_part("likes", "mri", "ei", 0, models=tmp_path, work=tmp_path)
    path = part_path(tmp_path, "mri", "likes", "ei", 0)
    path.parent.mkdir(parents=True)
    save_report(path, made)
    read = load_part(path, "likes")
    assert read == made
    rows = [row for row in read["rows"] if "corruption" in row]
    assert len(rows) == 18
    assert all(len(row["rise"]) == 3 for row in rows)
    assert len(read["rows"][-1]["curvature"]["largest"]) == 2
    with pytest.raises(DataFormatError, match="proximal-elsewhere-1"):
        load_part(path, "elsewhere")


def test_a_projection_is_a_part(small_parts, tmp_path):
    made = make_part("projection", "mri", "ei", 0, models=tmp_path, work=tmp_path)
    assert made["rows"][0]["operator"] == "D as trained"
    assert {"commit", "eiwork"} <= made["code"].keys()


def test_an_unknown_part_is_told(tmp_path, small_parts):
    for call in (
        lambda: part_path(tmp_path, "mri", "serve", "ei", 0),
        lambda: make_part("serve", "mri", "ei", 0, models=tmp_path, work=tmp_path),
    ):
        with pytest.raises(InputError, match=f"choose from {', '.join(PARTS)}"):
            call()
