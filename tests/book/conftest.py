"""Small notebooks to run and to publish."""

from collections.abc import Callable
from pathlib import Path

import commands
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.builder.__main__ import app


@pytest.fixture
def run(monkeypatch, tmp_path):
    return commands.runner(app, monkeypatch, tmp_path)


@pytest.fixture
def workbook(tmp_path, monkeypatch):
    return commands.workbook(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def write_notebook() -> Callable[..., Path]:
    """Write a notebook with a title, the parameters cell and the given code cells."""

    def write(path: Path, *cells: str, parameters: bool = True) -> Path:
        metadata = {"tags": ["parameters"]} if parameters else {}
        notebook = new_notebook(
            cells=[
                new_markdown_cell("# A lesson", id="title"),
                new_code_cell('mode = "fast"', metadata=metadata, id="parameters"),
                *(new_code_cell(text, id=f"cell-{i}") for i, text in enumerate(cells)),
            ],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return write
