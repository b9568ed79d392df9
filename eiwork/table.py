"""A table that prints as text and shows itself as HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from eiwork.errors import InputError


class Table:
    """Rows of named values, text in a terminal, a table in a notebook; what a row does not have stays empty.

    `rows` are the values themselves, `title` stands above. Raises `InputError` without a row.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
        if not rows:
            raise InputError("A table needs at least one row.")
        self.rows, self.title = [dict(row) for row in rows], title
        self.columns = list(dict.fromkeys(name for row in rows for name in row))
        self._cells = [[_text(row.get(name)) for name in self.columns] for row in self.rows]

    def __str__(self) -> str:
        lines = [self.columns, *self._cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        placed = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
        return "\n".join([self.title] * bool(self.title) + ["  ".join(line) for line in placed])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in self._cells]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f'<table class="eiwork-table">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"
    return "" if value is None else str(value)
