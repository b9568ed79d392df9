"""`python -m book.builder book`: the executed lessons as a web site that needs no network."""

from pathlib import Path
from typing import Annotated

import typer

from eiwork.cli.advice import need_extra
from eiwork.cli.locations import executed_folder, project_folder
from eiwork.cli.reporting import console


def book(
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", file_okay=False, help="Where the book goes; build/book by default."),
    ] = None,
) -> None:
    """Build the book from the lessons that `python -m book.builder notebooks` executed.

    The result is a folder of web pages that any file server can show, without a network and without Python.
    """
    need_extra("jupyter_book", "book")
    from book.builder import build_book

    project = project_folder()
    destination = project / "build" / "book" if output is None else output
    index = build_book(project / "book", executed_folder(), destination, notebooks=project / "notebooks")
    console().print(f"Book: {index}", soft_wrap=True, highlight=False)
