"""Executed notebooks made ready for the book."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from book.builder import PublishingError
from book.builder.staging import PLOTLY_MIME, clean, plotly_html, read_notebook, stage_notebook

FIGURE = {"data": [{"y": [1, 2]}], "layout": {"title": {"text": "A </script> title"}}, "config": {"x": 1}}


def executed():
    return new_notebook(
        cells=[
            new_code_cell('mode = "full"', metadata={"tags": ["injected-parameters"], "papermill": {"a": 1}}),
            new_code_cell(
                "train()",
                metadata={"execution": {"iopub.status.busy": "2026-01-01"}},
                outputs=[
                    new_output("stream", name="stderr", text="\r  0%|    |\r100%|####|"),
                    new_output("stream", name="stderr", text="ConvergenceWarning: residual 0.1\n"),
                    new_output("stream", name="stdout", text="kept\r\n"),
                    new_output("display_data", data={PLOTLY_MIME: FIGURE, "text/plain": "Figure"}),
                ],
            ),
        ],
        metadata={"papermill": {"input_path": "/somewhere/lesson.ipynb"}},
    )


def test_progress_bars_and_records_of_the_runner_go_and_warnings_stay():
    notebook = executed()
    clean(notebook)
    assert "papermill" not in json.dumps(notebook)
    assert "execution" not in notebook.cells[1].metadata
    texts = [output.text for output in notebook.cells[1].outputs if output.output_type == "stream"]
    assert texts == ["ConvergenceWarning: residual 0.1\n", "kept\r\n"]


def test_the_injected_parameters_are_hidden():
    notebook = executed()
    clean(notebook)
    assert notebook.cells[0].metadata["tags"] == ["injected-parameters", "remove-cell"]
    assert "tags" not in notebook.cells[1].metadata


def test_plotly_figures_become_html_that_a_page_can_draw():
    notebook = executed()
    clean(notebook)
    data = notebook.cells[1].outputs[-1].data
    assert data == {"text/html": plotly_html(FIGURE)}
    assert 'aria-label="A &lt;/script&gt; title"' in data["text/html"]
    inside = data["text/html"].partition('<script type="application/json">')[2].partition("</script>")[0]
    assert json.loads(inside) == {"data": FIGURE["data"], "layout": FIGURE["layout"]}


def test_plotly_ids_and_texts_come_from_the_figure():
    described = {"data": [], "layout": {"meta": {"alt": "What it shows"}, "title": "T"}}
    assert 'aria-label="What it shows"' in plotly_html(described)
    assert 'aria-label="T"' in plotly_html({"data": [], "layout": {"title": "T"}})
    assert 'aria-label="Interactive figure"' in plotly_html({"data": []})
    assert plotly_html(FIGURE) == plotly_html(dict(reversed(FIGURE.items())))
    assert plotly_html(FIGURE) != plotly_html(described)


def test_the_executed_copy_itself_stays_as_it_is(tmp_path):
    source = tmp_path / "lesson.ipynb"
    nbformat.write(executed(), source)
    before = source.read_bytes()
    stage_notebook(source, tmp_path / "staged" / "lesson.ipynb")
    assert source.read_bytes() == before
    assert "papermill" not in (tmp_path / "staged" / "lesson.ipynb").read_text()


@pytest.mark.parametrize("text", ["", "[]", "not json", '{"nbformat": 99}'])
def test_a_corrupt_notebook_is_named(tmp_path, text):
    path = tmp_path / "lesson.ipynb"
    path.write_text(text)
    with pytest.raises(PublishingError, match=r"lesson\.ipynb is not a readable notebook"):
        read_notebook(path)
