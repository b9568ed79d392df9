"""Committed results are found whatever their recipe, and a damaged one is named."""

import pytest

from eiwork.errors import DataFormatError
from eiwork_study import committed_results, save_result


def test_results_are_found_by_problem_method_and_seed(make_result, tmp_path):
    for seed in (0, 1):
        save_result(tmp_path / "runs" / "mri" / f"ei-{seed}.json", make_result(seed=seed, psnr=(20.0 + seed,)))
    collection = committed_results(tmp_path)
    assert collection.problems() == ["mri"]
    assert collection.values("mri", "ei").tolist() == [[20.0], [21.0]]


def test_a_damaged_result_is_named(make_result, tmp_path):
    path = save_result(tmp_path / "runs" / "mri" / "ei-0.json", make_result())
    path.write_text(path.read_text()[:40])
    with pytest.raises(DataFormatError, match=r"ei-0\.json"):
        committed_results(tmp_path)
