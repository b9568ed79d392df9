"""Executed notebooks made ready for the book."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from book.builder import PublishingError
from book.builder.staging import PLOTLY_MIME, plotly_html, read_notebook, stage_notebook

FIGURE = {"data": [{"y": [1, 2]}], "layout": {"title": {"text": "A </script> title"}}, "config": {"x": 1}}
TRAIN = [
    new_output("stream", name="stderr", text="\r  0%|    |\r100%|####|"),
    new_output("stream", name="stderr", text="ConvergenceWarning: residual 0.1\n"),
    new_output("stream", name="stdout", text="kept\r\n"),
    new_output("display_data", data={PLOTLY_MIME: FIGURE, "text/plain": "Figure"}),
]
INJECTED = {"tags": ["injected-parameters"], "papermill": {"a": 1}}


def test_what_does_not_belong_on_a_page_goes_and_the_executed_copy_stays(tmp_path):
    source, target = tmp_path / "lesson.ipynb", tmp_path / "staged" / "lesson.ipynb"
    mode = new_code_cell('mode = "full"', metadata=INJECTED)
    train = new_code_cell("train()", metadata={"execution": {"iopub.status.busy": "2026-01-01"}}, outputs=TRAIN)
    nbformat.write(new_notebook(cells=[mode, train], metadata={"papermill": {"input_path": "/x/lesson.ipynb"}}), source)
    before = source.read_bytes()
    stage_notebook(source, target)
    assert source.read_bytes() == before
    assert "papermill" not in target.read_text(), "its record names folders of the machine"
    mode, train = read_notebook(target).cells
    assert mode.metadata["tags"] == ["injected-parameters", "remove-cell"]
    assert not {"tags", "execution"} & train.metadata.keys()
    *texts, figure = train.outputs
    assert [output.text for output in texts] == ["ConvergenceWarning: residual 0.1\n", "kept\r\n"], "no progress bar"
    assert figure.data == {"text/html": plotly_html(FIGURE)}


def test_plotly_figures_become_html_whose_id_and_text_come_from_the_figure():
    page = plotly_html(FIGURE)
    assert 'aria-label="A &lt;/script&gt; title"' in page
    inside = page.partition('<script type="application/json">')[2].partition("</script>")[0]
    assert json.loads(inside) == {"data": FIGURE["data"], "layout": FIGURE["layout"]}
    described = {"data": [], "layout": {"meta": {"alt": "What it shows"}, "title": "T"}}
    assert 'aria-label="What it shows"' in plotly_html(described)
    assert 'aria-label="T"' in plotly_html({"data": [], "layout": {"title": "T"}})
    assert 'aria-label="Interactive figure"' in plotly_html({"data": []})
    assert plotly_html(dict(reversed(FIGURE.items()))) == page != plotly_html(described)


@pytest.mark.parametrize("text", ["", "[]", "not json", '{"nbformat": 99}'])
def test_a_corrupt_notebook_is_named(tmp_path, text):
    (tmp_path / "lesson.ipynb").write_text(text)
    with pytest.raises(PublishingError, match=r"lesson\.ipynb is not a readable notebook"):
        read_notebook(tmp_path / "lesson.ipynb")
