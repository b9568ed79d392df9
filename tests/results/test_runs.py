"""Reading runs, of a small folder and of the committed ones."""

import json

import pytest

import eiwork
from eiwork import results
from eiwork.errors import DataFormatError, InputError
from eiwork.results.runs import TITLES


@pytest.fixture
def folder(small_study, tmp_path):
    for run in small_study:
        path = tmp_path / "runs" / run.problem / f"{run.label}-{run.seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run.model_dump_json(exclude_none=True))
    return tmp_path


def test_runs_are_found_by_method_start_and_variant(folder):
    own = results.load("ct", "ei", folder=folder)
    assert [run.seed for run in own] == [0, 1, 2]
    assert own.values().shape == (3, 20)
    assert repr(own) == "ct: EI, 30.10 dB, seeds 0, 1, 2"
    assert results.load("ct", "ei", start="bodies", folder=folder).title == "EI, random bodies first (ours)"
    variant = results.load("ct", "ei", variant="short-learning-rate-8e-3", folder=folder)
    assert variant[0].label == "ei+short-learning-rate-8e-3"
    assert variant.title == "EI, short learning rate 8e-3"
    assert not results.load("ct", "inverse", folder=folder).trained


def test_what_was_not_run_is_answered_by_what_was(folder):
    with pytest.raises(InputError, match=r"no run of 'tv' on 'ct': choose from .*ei-jfb"):
        results.load("ct", "tv", folder=folder)
    with pytest.raises(InputError, match="no run of problem 'pet': choose from ct"):
        results.load("pet", "ei", folder=folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[]", "no result of format eiwork-run-2"),
        ('{"format": "eiwork-run-1"}', "older or foreign"),
        ('{"format": "eiwork-run-2", "problem": "ct"}', "method"),
    ],
)
def test_a_file_that_is_no_result_is_named(tmp_path, text, message):
    path = tmp_path / "ei-0.json"
    path.write_text(text)
    with pytest.raises(DataFormatError, match=message) as error:
        results.load_result(path)
    assert str(path) in str(error.value)
    with pytest.raises(DataFormatError, match="No such file"):
        results.load_result(tmp_path / "no.json")


def test_a_result_must_agree_with_itself(tmp_path, run_of):
    values = json.loads(run_of("ei").model_dump_json()) | {"ssim": [0.5]}
    (tmp_path / "x.json").write_text(json.dumps(values))
    with pytest.raises(DataFormatError, match="ssim has 1 values for 20 images"):
        results.load_result(tmp_path / "x.json")


def test_an_installed_package_without_its_checkout_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(eiwork, "__file__", str(tmp_path / "eiwork" / "__init__.py"))
    with pytest.raises(DataFormatError, match="come with the source checkout"):
        results.results_folder()


def test_the_committed_study_is_whole_and_light():
    collection = results.committed()
    assert {"ct", "mri", "inpainting"} <= set(collection.problems())
    assert {run.method for run in collection} == set(TITLES)
    assert {run.start for run in collection} == {None, "bodies"}
    for run in collection:
        path = results.results_folder() / "runs" / run.problem / f"{run.label}-{run.seed}.json"
        assert path.exists(), "a file is called what it holds"
    for problem in collection.problems():
        hashes = {run.test_data_hash for run in collection if run.problem == problem}
        assert len(hashes) == 1, "all methods of a problem are judged by the same images"

    files = [path for path in results.results_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10e6
    assert {path.suffix for path in files} <= {".json", ".md", ".csv"}
