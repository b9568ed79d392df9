import json
from importlib.metadata import PackageNotFoundError

import pytest
from packaging.requirements import Requirement

import eiwork
import eiwork.data
from eiwork.cli import doctor
from eiwork.errors import DataFormatError


def test_a_good_installation_has_no_problem_and_says_so_in_json(run, tmp_path):
    result = run("doctor", "--json", "report.json")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "report.json").read_text())
    found = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is True
    assert found["eiwork"]["found"] == eiwork.__version__
    assert found["deepinv"]["status"] == found["import deepinv"]["status"] == "ok"
    assert found["embedded data"]["status"] == "ok"
    assert {"Python", "torch", "jupyterlab", "device", "lessons", "Chromium"} <= found.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_damaged_data_is_a_problem_that_names_the_file(run, tmp_path, monkeypatch):
    def damaged():
        raise DataFormatError("ct_train.npz is truncated.")

    monkeypatch.setattr(eiwork.data, "verify", damaged)
    result = run("doctor", "--json", "report.json")
    assert result.exit_code == 1
    assert "ct_train.npz is truncated" in result.stdout
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is False


def test_a_missing_or_old_library_is_a_problem_and_a_missing_extra_a_note(monkeypatch):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", nothing)
    extra = doctor._package(Requirement("jupyterlab>=4"), "lab")
    core = doctor._package(Requirement("torch>=2"), None)
    assert (extra.status, core.status) == ("note", "problem")
    assert extra.advice == 'pip install "eiwork[lab]"'
    monkeypatch.setattr(doctor, "version", lambda name: "0.4")
    old = doctor._package(Requirement("deepinv<0.6,>=0.5"), None)
    assert (old.status, old.found) == ("problem", "0.4, and <0.6,>=0.5 is needed")


def test_what_cannot_be_imported_or_found_says_what_to_do(run, tmp_path, monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    monkeypatch.setattr(doctor, "find_chromium", lambda: None)
    assert run("doctor", "--json", "report.json").exit_code == 1
    found = {check["name"]: check for check in json.loads((tmp_path / "report.json").read_text())["checks"]}
    assert found["import deepinv"]["status"] == "problem"
    assert "torch and torchvision" in found["import deepinv"]["advice"]
    assert found["Chromium"]["status"] == "note"
    assert "apt-get install chromium" in found["Chromium"]["advice"]


@pytest.mark.parametrize("runs", [True, False])
def test_the_output_folder_is_probed_without_a_trace(tmp_path, monkeypatch, runs):
    monkeypatch.chdir(tmp_path)
    if runs:
        (tmp_path / "runs").mkdir()
    check = doctor.every_check()[-1]
    assert (check.name, check.status) == ("output folder", "ok")
    assert check.found == str(tmp_path / "runs" if runs else tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == (["runs"] if runs else [])
