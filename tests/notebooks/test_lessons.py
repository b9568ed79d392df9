"""Every lesson is committed clean, runs from top to bottom, and gives the same output twice."""

from pathlib import Path

import nbformat
import pytest

from book.builder import run_notebook

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTED = ROOT / "build" / "notebooks"

lessons = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def read(lesson: Path) -> nbformat.NotebookNode:
    return nbformat.reads(lesson.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)


def code_cells(lesson: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(lesson).cells if cell.cell_type == "code"]


def test_the_first_lessons_are_there():
    names = "start_here inverse_problems_and_null_spaces learning_from_symmetry fixed_points implicit_backpropagation "
    names += "training_without_ground_truth mri implicit_vs_jacobian_free proximal_maps reproduce_the_claims"
    assert {f"{i:02}_{name}" for i, name in enumerate(names.split())} <= {path.stem for path in LESSONS}


@lessons
def test_is_a_valid_notebook_without_outputs_that_begins_with_its_title(lesson):
    notebook = read(lesson)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code_cells(lesson):
        assert cell.outputs == [], cell.id
        assert cell.execution_count is None, cell.id
        assert "execution" not in cell.metadata, cell.id
    assert not {"widgets", "papermill"} & notebook.metadata.keys()


@lessons
def test_cell_ids_are_unique_and_chosen(lesson):
    """Ids are what diffs, links and comparisons hold on to: words, not the random digits of an editor."""
    ids = [cell.id for cell in read(lesson).cells]
    assert len(set(ids)) == len(ids)
    random = [name for name in ids if len(name) == 8 and set(name) <= set("0123456789abcdef")]
    assert random == []


@lessons
def test_cells_are_short_and_one_holds_the_parameters(lesson):
    long = {cell.id: n for cell in code_cells(lesson) if (n := len(cell.source.splitlines())) >= 40}
    assert long == {}
    [cell] = [cell for cell in code_cells(lesson) if "parameters" in cell.metadata.get("tags", [])]
    assert 'mode = "fast"' in cell.source


@pytest.mark.notebook
@lessons
def test_runs_and_gives_the_same_output_twice(lesson, compare):
    report = run_notebook(lesson, EXECUTED / lesson.name, mode="fast")
    done = compare(report.executed)
    assert done.returncode == 0, done.stdout[-8000:]
