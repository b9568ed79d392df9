import json
import shutil

from eiwork.data import store


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
