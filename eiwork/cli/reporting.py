"""What commands print on the terminal, and the same figures as JSON in a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from eiwork.errors import InputError
from eiwork.files import ensure_output_folder, write_text_atomically

_JSON = typer.Option("--json", metavar="PATH", dir_okay=False, help="Also write the figures to this file, as JSON.")
JsonPath = Annotated[Path | None, _JSON]


def console() -> Console:
    """Return a console on the standard output of this moment, which a test may have replaced."""
    return Console()


def say(text: str) -> None:
    """Print one line without folding it, so that a command or a path in it can be copied."""
    console().print(text, soft_wrap=True, highlight=False, markup=False)


def check_json_path(path: Path | None) -> None:
    """Raise InputError before any long work when a JSON file could not be written there."""
    if path is not None:
        ensure_output_folder(path.parent, InputError)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures as indented JSON and say so; does nothing without a path. Raises InputError if it cannot."""
    if path is not None:
        write_text_atomically(path, json.dumps(figures, indent=2, default=str) + "\n", InputError)
        say(f"Figures written to {path}")
