"""What commands print: tables on the terminal, and the same figures as JSON in a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from eiwork.errors import InputError
from eiwork.files import ensure_output_folder, write_text_atomically

JsonPath = Annotated[
    Path | None,
    typer.Option("--json", metavar="PATH", dir_okay=False, help="Also write the figures to this file, as JSON."),
]
DeviceName = Annotated[
    str,
    typer.Option("--device", metavar="NAME", help="auto (a GPU when there is one), cpu, cuda, or cuda:N."),
]


def console() -> Console:
    """Return a console on the standard output of this moment, which a test may have replaced."""
    return Console()


def check_json_path(path: Path | None) -> None:
    """Raise InputError before any long work when a JSON file could not be written there."""
    if path is not None:
        ensure_output_folder(path.parent, InputError)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures as indented JSON and say so; does nothing without a path. Raises InputError if it cannot."""
    if path is not None:
        write_text_atomically(path, json.dumps(figures, indent=2, default=str) + "\n", InputError)
        console().print(f"Figures written to {path}", soft_wrap=True, highlight=False)


def comparison_table(title: str, summary: Mapping[str, Mapping[str, float]]) -> Table:
    """One row per method, one column per quantity; a quantity that a method does not have stays empty."""
    columns = list(dict.fromkeys(key for row in summary.values() for key in row))
    table = Table("method", title=title)
    for column in columns:
        table.add_column(_COLUMN_TITLES.get(column, column.replace("_", " ")), justify="right")
    for method, row in summary.items():
        table.add_row(method, *(_number(row[column]) if column in row else "" for column in columns))
    return table


_COLUMN_TITLES = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "n_evaluations": "NFE",
    "max_residual": "largest residual",
    "converged_share": "converged",
}


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"
