"""Executed notebooks made ready for the book: progress bars, machine paths and injected cells taken out."""

import hashlib
import html
import json
from pathlib import Path
from typing import Any

import nbformat

from eiwork.errors import EiworkError
from eiwork.files import write_text_atomically

PLOTLY_CLASS = "eiwork-plotly"
PLOTLY_MIME = "application/vnd.plotly.v1+json"


class PublishingError(EiworkError, RuntimeError):
    """A lesson failed, an executed copy is missing or stale, or the book cannot be built; the message names it."""


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
            cell.outputs = [o for o in cell.outputs if not (o.get("name") == "stderr" and "\r" in o.text)]
            for output in cell.outputs:
                if PLOTLY_MIME in output.get("data", {}):
                    output.data = {"text/html": plotly_html(output.data[PLOTLY_MIME])}


def plotly_html(figure: dict[str, Any]) -> str:
    """Return a `<div>` that holds the figure's JSON; a script of the book draws it.

    Its id comes from the content, so that the same figure gives the same page. The alternative text is
    `layout.meta.alt`, or else the figure's title.
    """
    description = {key: figure[key] for key in ("data", "layout", "frames") if key in figure}
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    layout = figure.get("layout", {})
    title, meta = layout.get("title", {}), layout.get("meta", {})
    alt = meta.get("alt", "") if isinstance(meta, dict) else ""
    alt = alt or (title if isinstance(title, str) else title.get("text", "")) or "Interactive figure"
    safe = text.replace("</", "<\\/")  # the JSON must not close its own script element
    return (
        f'<div class="{PLOTLY_CLASS}" id="plotly-{digest}" role="img" aria-label="{html.escape(alt)}">'
        f'<script type="application/json">{safe}</script></div>'
    )
