import pytest

from eiwork.cli import locations
from eiwork.errors import InputError


@pytest.mark.parametrize("inside", [".", "notebooks", "build/deep"])
def test_the_project_is_found_from_inside_it(workbook, monkeypatch, inside):
    (workbook / inside).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(workbook / inside)
    assert locations.notebooks_folder() == workbook / "notebooks"
    assert locations.executed_folder() == workbook / "build" / "notebooks"


def test_the_source_checkout_is_found_from_anywhere(workbook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("eiwork.__file__", str(workbook / "eiwork" / "__init__.py"))
    assert locations.project_folder() == workbook


def test_without_lessons_the_advice_is_to_get_them(workbook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="source checkout"):
        locations.notebooks_folder()


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        ([], ["00_start_here", "04_implicit_backpropagation", "05_training_without_ground_truth"]),
        (["04"], ["04_implicit_backpropagation"]),
        (["05", "00_start_here.ipynb"], ["00_start_here", "05_training_without_ground_truth"]),
        (["notebooks/04_implicit_backpropagation.ipynb", "04"], ["04_implicit_backpropagation"]),
    ],
)
def test_lessons_are_chosen_by_number_or_name_in_reading_order(workbook, monkeypatch, names, stems):
    monkeypatch.chdir(workbook)
    assert [path.stem for path in locations.lessons(names)] == stems


@pytest.mark.parametrize(
    ("name", "problem"),
    [("07", "is not a lesson"), ("", "is not a lesson"), ("0", "fits more than one lesson")],
)
def test_a_name_that_fits_no_single_lesson_is_an_error_with_the_choice(workbook, monkeypatch, name, problem):
    monkeypatch.chdir(workbook)
    with pytest.raises(InputError, match=rf"'{name}' {problem}.*04_implicit_backpropagation"):
        locations.lessons([name])


def test_chromium_is_looked_for_on_the_path(tmp_path, monkeypatch):
    monkeypatch.delenv("EIWORK_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locations.find_chromium() is None
    program = tmp_path / "google-chrome"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert locations.find_chromium() == program


def test_chromium_can_be_named(tmp_path, monkeypatch):
    program = tmp_path / "my-chromium"
    monkeypatch.setenv("EIWORK_CHROMIUM", str(program))
    assert locations.find_chromium() is None
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert locations.find_chromium() == program
