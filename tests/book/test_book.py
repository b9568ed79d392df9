"""The book built from a small source."""

import re
import shutil
from pathlib import Path

import pytest

from book.builder import PublishingError, build_book, run_notebooks
from book.builder.book import status_page

pytestmark = pytest.mark.notebook

CONFIG = """{title: A small book, author: Authors, only_build_toc_files: true, execute: {execute_notebooks: "off"},
html: {favicon: favicon.svg}, sphinx: {extra_extensions: [book.builder.sphinx_offline],
config: {html_context: {default_mode: auto}}}}"""
TOC = "{format: jb-book, root: intro, chapters: [{glob: notebooks/*}, {file: status}]}"
WIDGET = """\
import torch
from eiwork.widgets import FrameExplorer, image_frames
frames = image_frames([torch.zeros(2, 2), torch.ones(2, 2)], ["k = 0", "k = 1"], subject="A square")
FrameExplorer(frames, [0, 1], title="Squares", alt="Two squares.")"""
PLOTLY = """\
import plotly.graph_objects as go
from IPython.display import display
figure = go.Figure(go.Scatter(y=[1, 2]))
display({"application/vnd.plotly.v1+json": figure.to_plotly_json()}, raw=True)"""
EXTERNAL = re.compile(r'(?:src|href)="(?:https?:)?//[^"]*"')


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    (folder / "_config.yml").write_text(CONFIG)
    (folder / "_toc.yml").write_text(TOC)
    (folder / "intro.md").write_text("# Welcome\n\n$$x = F(x)$$\n")
    (folder / "favicon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return folder


@pytest.fixture(scope="module")
def lessons(tmp_path_factory, write_notebook) -> Path:
    folder = tmp_path_factory.mktemp("lessons")
    write_notebook(folder / "00_widget.ipynb", WIDGET)
    write_notebook(folder / "01_plotly.ipynb", PLOTLY)
    return folder


@pytest.fixture(scope="module")
def executed(tmp_path_factory, lessons) -> Path:
    folder = tmp_path_factory.mktemp("executed")
    run_notebooks(sorted(lessons.glob("*.ipynb")), folder)
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory, source, lessons, executed) -> Path:
    output = tmp_path_factory.mktemp("out") / "book"
    output.mkdir()
    (output / ".eiwork-book").touch()
    (output / "old.html").write_text("a page of an earlier build")
    return build_book(source, executed, output, notebooks=lessons).parent


def page(book: Path, name: str) -> str:
    return (book / f"{name}.html").read_text(encoding="utf-8")


def test_lessons_and_their_status_enter_the_contents_in_order_and_nothing_comes_from_elsewhere(book):
    assert "01_plotly" in page(book, "status")
    links = re.findall(r'toctree-l1[^>]*><a class="reference internal" href="([^"]+)"', page(book, "intro"))
    assert links == ["notebooks/00_widget.html", "notebooks/01_plotly.html", "status.html"]
    # No page loads anything from elsewhere.
    for path in book.rglob("*.html"):
        head = re.sub(r"<a\b[^>]*>", "", path.read_text(encoding="utf-8"))
        assert EXTERNAL.findall(head) == [], path.name


def test_scripts_are_loaded_where_they_are_needed_and_in_order(book):
    widgets = ["requirejs/require.js", "require-config.js", "html-manager/embed-amd.js"]
    for name, scripts in (("00_widget", widgets), ("01_plotly", ["plotly.min.js", "plotly-draw.js"])):
        text = page(book, f"notebooks/{name}")
        assert re.findall(r'<script[^>]*src="[^"]*_static/vendor/([^"?]+)', text) == scripts
        assert all((book / "_static" / "vendor" / script).is_file() for script in scripts)
    assert "mathjax/tex-svg.js" in page(book, "intro")
    assert "data:image/png;base64," in page(book, "notebooks/00_widget"), "the state of the widget is in the page"
    assert "eiwork-plotly" in page(book, "notebooks/01_plotly")


def test_a_new_build_replaces_the_old_one_and_a_failed_one_leaves_it(book, source, executed, tmp_path):
    assert not (book / "old.html").exists()
    shutil.copytree(source, tmp_path / "broken")
    (tmp_path / "broken" / "_toc.yml").write_text("format: jb-book\nroot: intro\n")  # one page is soon built
    (tmp_path / "broken" / "intro.md").write_text("# Welcome\n\n{ref}`nowhere`\n")
    with pytest.raises(PublishingError, match="could not be built") as caught:
        build_book(tmp_path / "broken", executed, book)
    assert "intro.md" in str(caught.value)
    assert "nowhere" in str(caught.value)
    assert "x = F(x)" in page(book, "intro"), "the book that was built before stands"


def test_missing_and_stale_lessons_are_named_with_the_command(source, lessons, executed, tmp_path, write_notebook):
    with pytest.raises(PublishingError, match=r"no executed lessons in .*book.builder notebooks"):
        build_book(source, tmp_path / "none", tmp_path / "book")
    newer = tmp_path / "newer"
    write_notebook(newer / "00_widget.ipynb", "print('changed')")
    write_notebook(newer / "09_new.ipynb")
    with pytest.raises(PublishingError, match=r"2 of 2 lessons .*00_widget\.ipynb, 09_new\.ipynb.*builder notebooks"):
        build_book(source, executed, tmp_path / "book", notebooks=newer)
    assert not (tmp_path / "book").exists()
    # A folder of something else is left alone, and is no source.
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "mine.txt").write_text("mine")
    with pytest.raises(PublishingError, match="was not made by this command"):
        build_book(source, executed, tmp_path / "book")
    assert (tmp_path / "book" / "mine.txt").read_text() == "mine"
    with pytest.raises(PublishingError, match="not the source of a book"):
        build_book(tmp_path, executed, tmp_path / "other")


def test_the_status_page_has_a_row_per_lesson_and_groups_what_they_ran_with():
    def record(seconds: float, torch: str = "2.9") -> dict:
        versions = {"eiwork": "0.1.0", "python": "3.12.1", "torch": torch, "deepinv": "0.5.0"}
        machine, time = {"processor": "A processor", "cores": 2}, "2026-01-02T03:04:05+00:00"
        return {"mode": "fast", "seconds": seconds, "executed_at": time, "versions": versions, "machine": machine}

    text = status_page({"00_a": record(12.4), "01_b": record(60.0, torch="2.8"), "02_c": record(3.0)})
    assert "| [00_a](notebooks/00_a.ipynb) | fast | 12 | 2026-01-02 03:04:05 UTC |" in text
    assert "| 0.1.0 | 3.12.1 | 2.9 | 0.5.0 | A processor, 2 cores | 00, 02 |" in text
    assert "| 0.1.0 | 3.12.1 | 2.8 | 0.5.0 | A processor, 2 cores | 01 |" in text
