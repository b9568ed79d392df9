"""Lessons run by papermill, and what makes an executed copy stale."""

from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from book.builder import PublishingError, execute, fingerprint, run_notebooks
from book.builder.execute import executed_record
from book.builder.fingerprint import identity, is_up_to_date, package_fingerprint, results_fingerprint
from eiwork.errors import InputError

pytestmark = pytest.mark.notebook


@pytest.fixture(autouse=True)
def code(monkeypatch):
    """Stands for the package's code, which the test can change."""
    version = {"now": "one"}
    monkeypatch.setattr(fingerprint, "package_fingerprint", lambda: version["now"])
    return version


def outputs(path):
    notebook = nbformat.read(path, as_version=4)
    return [output.text for cell in notebook.cells for output in cell.get("outputs", [])]


def test_a_lesson_runs_in_its_mode_in_an_empty_folder_and_is_kept_while_nothing_changes(tmp_path, write_notebook, code):
    lesson = write_notebook(tmp_path / "00_lesson.ipynb", "import os\nprint(mode, os.listdir())")
    source = lesson.read_bytes()
    told = []
    (report,) = run_notebooks([lesson], tmp_path / "out", on_report=told.append)
    assert (told, report.skipped, report.executed) == ([report], False, tmp_path / "out" / "00_lesson.ipynb")
    assert outputs(report.executed) == ["fast []\n"]
    assert lesson.read_bytes() == source
    record = executed_record(report.executed)
    assert record is not None
    assert record["mode"] == "fast"
    assert record["seconds"] == pytest.approx(report.seconds, abs=0.06)
    assert str(tmp_path) not in report.executed.read_text(), "an executed copy names no folder of the machine"

    first = report.executed.read_bytes()
    (again,) = run_notebooks([lesson], tmp_path / "out")
    assert again.skipped
    assert report.executed.read_bytes() == first
    code["now"] = "two"
    (changed,) = run_notebooks([lesson], tmp_path / "out")
    assert not changed.skipped, "other code is another run"
    (full,) = run_notebooks([lesson], tmp_path / "out", mode="full")
    assert not full.skipped, "another mode is another run"
    assert outputs(full.executed) == ["full []\n"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00_lesson.ipynb"]


def test_side_by_side_the_longest_lessons_begin_first_and_reports_keep_their_order(
    tmp_path, write_notebook, monkeypatch
):
    lessons, begun = [write_notebook(tmp_path / f"{n}.ipynb", "pass\n" * n) for n in (2, 40, 1, 20)], []

    def attempt(notebook, executed, mode, show_progress):
        begun.append(int(notebook.stem))
        return execute.RunReport(notebook, executed, mode, 0.0, skipped=False)

    monkeypatch.setattr(execute, "_attempt", attempt)
    # One thread stands for two, so that the order is that of the queue.
    monkeypatch.setattr(execute, "ThreadPoolExecutor", lambda jobs: ThreadPoolExecutor(1))
    for jobs, order in ((2, [40, 20, 2, 1]), (1, [2, 40, 1, 20])):
        begun.clear()
        reports = run_notebooks(lessons, tmp_path / "out", jobs=jobs)
        assert begun == order
        assert [report.notebook for report in reports] == lessons


def test_a_failing_lesson_is_named_with_its_cell_and_the_others_are_done(tmp_path, write_notebook):
    good = write_notebook(tmp_path / "good.ipynb", "print('done')")
    bad = write_notebook(tmp_path / "bad.ipynb", "print('before')", "# the division\n1 / 0")
    with pytest.raises(PublishingError) as caught:
        run_notebooks([bad, good], tmp_path / "out", jobs=2)
    assert "bad.ipynb failed in its cell 4 (# the division) with ZeroDivisionError" in str(caught.value)
    assert outputs(tmp_path / "out" / "good.ipynb") == ["done\n"]
    assert not (tmp_path / "out" / "bad.ipynb").exists()
    assert "before" in (tmp_path / "out" / "failed" / "bad.ipynb").read_text()


def test_a_killed_kernel_and_unusable_notebooks_folders_and_arguments_are_clear_errors(tmp_path, write_notebook):
    killed = write_notebook(tmp_path / "killed.ipynb", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    lesson, bare = write_notebook(tmp_path / "a.ipynb"), write_notebook(tmp_path / "b.ipynb", parameters=False)
    twin = write_notebook(tmp_path / "other" / "a.ipynb")
    (tmp_path / "empty.ipynb").write_text("{}")
    for error, told, paths, options in (
        (PublishingError, r"killed\.ipynb: its Python process .* too little memory", [killed], {}),
        (PublishingError, 'no cell tagged "parameters"', [bare], {}),
        (PublishingError, "not a readable notebook", [tmp_path / "empty.ipynb"], {}),
        (PublishingError, "Cannot write", [lesson], {"output_dir": lesson}),
        (InputError, "no notebooks", [], {}),
        (InputError, "jobs at least 1", [lesson], {"jobs": 0}),
        (InputError, "mode must be", [lesson], {"mode": "slow"}),
        (InputError, "same name", [lesson, twin], {}),
    ):
        with pytest.raises(error, match=told):
            run_notebooks(paths, **{"output_dir": tmp_path / "out"} | options)
    assert list((tmp_path / "out").iterdir()) == []


def test_code_data_and_results_change_the_fingerprint_and_what_no_result_depends_on_does_not(tmp_path):
    def write(text, *names):
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)

    for fingerprint_of, counts, ignored in (
        (package_fingerprint, ["a.py", "data/b.json"], ["cli/c.py", "notes.md"]),
        (results_fingerprint, ["data/run.json"], ["figure.png"]),
    ):
        write("first", *counts, *ignored)
        seen = {fingerprint_of(tmp_path)}
        write("changed", *ignored)
        assert {fingerprint_of(tmp_path)} == seen
        for name in counts:
            write("changed", name)
            seen.add(fingerprint_of(tmp_path))
        (tmp_path / name).rename(tmp_path / "data" / "other.json")
        seen.add(fingerprint_of(tmp_path))
        assert len(seen) == len(counts) + 2, "a new name is a change"


def test_a_copy_is_stale_when_notebook_mode_results_or_versions_differ(tmp_path, monkeypatch):
    lesson = tmp_path / "lesson.ipynb"
    lesson.write_text("one")
    wanted = identity(lesson, "fast")
    assert is_up_to_date({**wanted, "seconds": 1.0}, wanted)
    assert not is_up_to_date(None, wanted)
    assert not is_up_to_date(wanted, identity(lesson, "full"))
    assert not is_up_to_date({**wanted, "versions": {"torch": "0"}}, wanted)
    lesson.write_text("two")
    assert not is_up_to_date(wanted, identity(lesson, "fast"))
    before = identity(lesson, "fast")
    monkeypatch.setattr(fingerprint, "results_fingerprint", lambda: "other results")
    assert not is_up_to_date(before, identity(lesson, "fast"))
