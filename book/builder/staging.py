"""Executed notebooks made ready for the book: progress bars, machine paths and injected cells taken out."""

from pathlib import Path
from typing import Any

import nbformat

from book.builder.errors import PublishingError
from book.builder.plotly_output import PLOTLY_MIME, plotly_html
from eiwork.files import write_text_atomically


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook of format 4; raises `PublishingError` naming the file when it is not one."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError, AttributeError) as error:
        raise PublishingError(f"{path} is not a readable notebook: {error}") from error


def stage_notebook(executed: Path, target: Path) -> None:
    """Write the copy of an executed notebook from which its page is made."""
    notebook = read_notebook(executed)
    clean(notebook)
    write_text_atomically(target, nbformat.writes(notebook), PublishingError)


def clean(notebook: nbformat.NotebookNode) -> None:
    """Take out of an executed notebook, in place, what does not belong on a page.

    Hides the parameter cell that the runner injected, drops progress bars (standard error with carriage
    returns), turns plotly outputs into HTML and removes the runner's records, which name folders of a machine.
    """
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cell.metadata["tags"] = [*tags, "remove-cell"]
        if cell.cell_type == "code":
            cell.outputs = [_page_output(output) for output in cell.outputs if not _is_progress_bar(output)]


def _is_progress_bar(output: Any) -> bool:
    return output.output_type == "stream" and output.name == "stderr" and "\r" in output.text


def _page_output(output: Any) -> Any:
    if PLOTLY_MIME in output.get("data", {}):
        output.data = {"text/html": plotly_html(output.data[PLOTLY_MIME])}
    return output
