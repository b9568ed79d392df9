"""`python -m book.builder notebooks | book`."""

import subprocess
import sys
from pathlib import Path

import commands
import pytest

import book.builder
from book.builder import PublishingError, RunReport
from book.builder.__main__ import chosen_lessons
from eiwork.errors import InputError

STEMS = ["00_start_here", "04_implicit_backpropagation", "05_training_without_ground_truth"]


@pytest.fixture
def runs(monkeypatch):
    """Replaces the execution itself: records how it was asked for."""
    calls = []

    def run_notebooks(paths, output_dir, mode, jobs, on_report, show_progress):
        calls.append(([path.stem for path in paths], output_dir, mode, jobs))
        for path in paths:
            on_report(RunReport(path, output_dir / path.name, mode, 12.3, skipped=path.stem.startswith("04")))

    monkeypatch.setattr(book.builder, "run_notebooks", run_notebooks)
    return calls


def test_every_option_of_notebooks_changes_something(run, runs, workbook, tmp_path, monkeypatch):
    monkeypatch.chdir(workbook)
    result = run("notebooks")
    assert result.exit_code == 0, result.output
    assert "00_start_here: 12 s" in result.stdout
    assert "04_implicit_backpropagation: up to date" in result.stdout
    result = run("notebooks", "05", "--full", "--jobs", "2", "--output", tmp_path / "elsewhere")
    assert result.exit_code == 0, result.output
    usual, chosen = (STEMS, workbook / "build" / "notebooks", "fast", 1), (STEMS[2:], tmp_path / "elsewhere", "full", 2)
    assert runs == [usual, chosen]


def test_unusable_input_runs_nothing_and_a_failed_lesson_is_advice(run, runs, workbook, monkeypatch):
    def fail(*paths, **options):
        raise PublishingError("04 failed in cell 3.")

    monkeypatch.chdir(workbook)
    result = run("notebooks", "99")
    assert result.exit_code == 2
    assert "'99' is not a lesson" in commands.advice(result)
    assert run("notebooks", "--jobs", "0").exit_code == 2
    assert runs == []
    monkeypatch.setattr(book.builder, "run_notebooks", fail)
    result = run("notebooks")
    assert result.exit_code == 1
    assert commands.advice(result) == "Error: 04 failed in cell 3."


def test_lessons_are_chosen_by_number_or_name_in_reading_order(workbook):
    for names, chosen in (
        ([], STEMS),
        (["05", "00_start_here.ipynb"], [STEMS[0], STEMS[2]]),
        (["notebooks/04_implicit_backpropagation.ipynb", "04"], STEMS[1:2]),
    ):
        assert [path.stem for path in chosen_lessons(workbook / "notebooks", names)] == chosen
    for name, problem in (("07", "is not a lesson"), ("", "is not a lesson"), ("0", "fits more than one lesson")):
        with pytest.raises(InputError, match=rf"'{name}' {problem}.*04_implicit_backpropagation"):
            chosen_lessons(workbook / "notebooks", ["04", name])


def test_the_book_is_built_from_the_executed_lessons(run, workbook, tmp_path, monkeypatch):
    calls = []

    def build_book(source, executed, output, *, notebooks):
        calls.append((source, executed, output, notebooks))
        return output / "index.html"

    monkeypatch.chdir(workbook)
    monkeypatch.setattr(book.builder, "build_book", build_book)
    result = run("book")
    assert result.exit_code == 0, result.output
    assert str(workbook / "build" / "book" / "index.html") in result.stdout
    run("book", "--output", tmp_path / "site")
    outputs = (workbook / "build" / "book", tmp_path / "site")
    given = (workbook / "book", workbook / "build" / "notebooks")
    assert calls == [(*given, output, workbook / "notebooks") for output in outputs]


def test_it_is_started_from_the_checkout():
    command = [sys.executable, "-m", "book.builder", "--help"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"notebooks", "book"} <= set(done.stdout.split())
