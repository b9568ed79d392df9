import pytest

import book.builder
from book.builder import PublishingError, RunReport


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


def test_all_lessons_in_fast_mode_by_default(run, runs, workbook, monkeypatch):
    monkeypatch.chdir(workbook)
    result = run("notebooks", "run")
    assert result.exit_code == 0, result.output
    [(stems, folder, mode, jobs)] = runs
    assert stems == ["00_start_here", "04_implicit_backpropagation", "05_training_without_ground_truth"]
    assert (folder, mode, jobs) == (workbook / "build" / "notebooks", "fast", 1)
    assert "00_start_here: 12 s" in result.stdout
    assert "04_implicit_backpropagation: up to date" in result.stdout


def test_every_option_changes_something(run, runs, workbook, tmp_path, monkeypatch):
    monkeypatch.chdir(workbook)
    result = run("notebooks", "run", "05", "--full", "--jobs", "2", "--output", tmp_path / "elsewhere")
    assert result.exit_code == 0, result.output
    assert runs == [(["05_training_without_ground_truth"], tmp_path / "elsewhere", "full", 2)]


def test_an_unknown_lesson_runs_nothing(run, runs, workbook, advice, monkeypatch):
    monkeypatch.chdir(workbook)
    result = run("notebooks", "run", "99")
    assert result.exit_code == 2
    assert "'99' is not a lesson" in advice(result)
    assert runs == []


def test_a_failed_lesson_is_advice(run, workbook, advice, monkeypatch):
    def fail(*paths, **options):
        raise PublishingError("04 failed in cell 3.")

    monkeypatch.chdir(workbook)
    monkeypatch.setattr(book.builder, "run_notebooks", fail)
    result = run("notebooks", "run")
    assert result.exit_code == 1
    assert advice(result) == "Error: 04 failed in cell 3."


def test_no_jobs_is_a_usage_error(run, runs):
    assert run("notebooks", "run", "--jobs", "0").exit_code == 2


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
    executed, notebooks = workbook / "build" / "notebooks", workbook / "notebooks"
    assert calls == [
        (workbook / "book", executed, workbook / "build" / "book", notebooks),
        (workbook / "book", executed, tmp_path / "site", notebooks),
    ]
