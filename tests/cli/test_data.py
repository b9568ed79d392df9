import json
import shutil

import pytest

import eiwork_study.prepare.build
from eiwork.data import store
from eiwork.errors import DataFormatError


def test_list_shows_every_set_with_its_licence(run, tmp_path):
    result = run("data", "list", "--json", "sets.json")
    assert result.exit_code == 0
    for word in ("ct", "mri", "natural", "totalsegmentator", "Apache-2.0"):
        assert word in result.stdout
    assert json.loads((tmp_path / "sets.json").read_text()) == store.manifest()


def test_verify_counts_the_files(run, tmp_path):
    result = run("data", "verify", "--json", "verified.json")
    files = json.loads((tmp_path / "verified.json").read_text())["verified"]
    assert result.exit_code == 0
    assert f"{len(files)} files" in result.stdout
    assert "ct_train.npz" in "".join(files)


def test_verify_names_an_altered_file(run, tmp_path, advice, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(store.FOLDER, folder)
    licence = next((folder / "LICENCES").iterdir())
    licence.write_text(licence.read_text() + "altered")
    monkeypatch.setattr(store, "FOLDER", folder)
    result = run("data", "verify")
    assert result.exit_code == 1
    assert licence.name in advice(result)


def test_build_passes_its_folders_on_and_says_what_it_wrote(run, tmp_path, monkeypatch):
    calls = []

    def build(destination, sources, *, download):
        calls.append((str(destination), str(sources), download))
        return {"sets": {"ct": {"train": {"file": "ct_train.npz"}}}}

    monkeypatch.setattr(eiwork_study.prepare.build, "build", build)
    result = run("data", "build", "--sources", "archives", "--output", "new", "--download")
    assert result.exit_code == 0, result.output
    assert "ct_train.npz" in result.stdout
    run("data", "build")
    assert calls == [("new", "archives", True), (str(store.FOLDER), "build/data-sources", False)]


def test_build_without_the_packages_says_how_to_get_them(run, advice, monkeypatch):
    result = run("data", "build", "--output", "new")
    assert result.exit_code == 1
    assert "build/data-sources" in advice(result)


def test_build_errors_are_advice(run, advice, monkeypatch):
    def build(*folders, download):
        raise DataFormatError("The archive x.whl has another SHA-256.")

    monkeypatch.setattr(eiwork_study.prepare.build, "build", build)
    assert advice(run("data", "build")) == "Error: The archive x.whl has another SHA-256."


@pytest.mark.parametrize("option", ["--sources", "--output"])
def test_a_file_in_the_place_of_a_folder_is_a_usage_error(run, tmp_path, option):
    (tmp_path / "file").write_text("")
    assert run("data", "build", option, "file").exit_code == 2
