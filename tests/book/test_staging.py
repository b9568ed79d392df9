"""Executed notebooks made ready for the book, and the scripts that travel with it."""

import hashlib
import json
from pathlib import Path

import anywidget
import nbformat
import plotly
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from book.builder import PublishingError, sphinx_offline
from book.builder.sphinx_offline import copy_assets
from book.builder.staging import PLOTLY_MIME, plotly_html, read_notebook, stage_notebook

VENDOR = Path(sphinx_offline.__file__).parent / "vendor"
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


def test_a_corrupt_notebook_is_named(tmp_path):
    for text in ("", "[]", "not json", '{"nbformat": 99}'):
        (tmp_path / "lesson.ipynb").write_text(text)
        with pytest.raises(PublishingError, match=r"lesson\.ipynb is not a readable notebook"):
            read_notebook(tmp_path / "lesson.ipynb")


def test_the_third_party_files_are_unchanged_complete_and_licensed():
    listed = {name: digest for digest, name in map(str.split, (VENDOR / "SHA256SUMS").read_text().splitlines())}
    found = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in VENDOR.glob("*/*")}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == listed
    folders = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert len(folders) == 3
    for folder in folders:
        text = (folder / "LICENSE.txt").read_text()
        assert "Permission is hereby granted" in text or "icense" in text
        assert f"`{folder.name}/`" in (VENDOR / "README.md").read_text()


def test_the_widget_scripts_are_those_of_the_installed_packages(tmp_path, monkeypatch):
    copy_assets(tmp_path / "vendor")
    for name, package, source in (
        ("anywidget.js", anywidget, "nbextension/index.js"),
        ("plotly.min.js", plotly, "package_data/plotly.min.js"),
    ):
        assert (tmp_path / "vendor" / name).read_bytes() == (Path(package.__file__).parent / source).read_bytes()
    fonts = tmp_path / "vendor" / "@jupyter-widgets" / "html-manager" / "dist"
    assert len(list(fonts.glob("*.woff2"))) == 3
    # A package that is not there or changed is named.
    for package, problem in (("no_such_package", "is not installed"), ("anywidget", r"has no file no/such/file\.js")):
        monkeypatch.setattr(sphinx_offline, "_FROM_PACKAGES", {"x.js": (package, "no/such/file.js")})
        with pytest.raises(PublishingError, match=f"{package} {problem}"):
            copy_assets(tmp_path)
