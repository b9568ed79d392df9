"""A table that prints as text and shows itself as HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from eiwork.errors import InputError


class Table:
    """Rows of named values: text in a terminal, a table in a notebook; `rows` are the values themselves.

    rows: dictionaries; a column that a row does not have stays empty. title: above the table.
    Raises InputError without a row.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
        if not rows:
            raise InputError("A table needs at least one row.")
        self.rows, self.title = [dict(row) for row in rows], title
        self.columns = list(dict.fromkeys(name for row in rows for name in row))

    def __str__(self) -> str:
        cells = [self.columns, *([_text(row.get(name)) for name in self.columns] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(line, widths, strict=True)))
            for line in cells
        ]
        return "\n".join([self.title] * bool(self.title) + [lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_text(row.get(name)))}</td>" for name in self.columns) + "</tr>" for row in self.rows
        )
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f'<table class="eiwork-table">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"
    return str(value)
