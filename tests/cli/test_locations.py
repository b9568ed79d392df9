import pytest

from eiwork.cli import locations
from eiwork.errors import InputError


@pytest.mark.parametrize("inside", [".", "notebooks", "build/deep"])
def test_the_project_is_found_from_inside_it(workbook, monkeypatch, inside):
    (workbook / inside).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(workbook / inside)
    assert locations.project_folder() == workbook


def test_the_source_checkout_is_found_from_anywhere_and_its_absence_is_told(workbook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="source checkout"):
        locations.project_folder()
    monkeypatch.setattr("eiwork.__file__", str(workbook / "eiwork" / "__init__.py"))
    assert locations.project_folder() == workbook


def test_chromium_is_looked_for_on_the_path_or_named(tmp_path, monkeypatch):
    monkeypatch.delenv("EIWORK_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locations.find_chromium() is None
    for name in ("google-chrome", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert locations.find_chromium() == tmp_path / "google-chrome"
    for name, found in (("mine", tmp_path / "mine"), ("not-there", None)):
        monkeypatch.setenv("EIWORK_CHROMIUM", str(tmp_path / name))
        assert locations.find_chromium() == found
