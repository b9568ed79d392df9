"""What an axis of the comparison hands back: rows of figures and the bars they are judged by."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Bar:
    """A figure and the limit it must keep; `value` is None where a library never got far enough to be measured."""

    name: str
    value: float | int | None
    limit: float | int
    sense: Literal["at most", "at least"]

    @property
    def met(self) -> bool:
        """Whether the figure keeps the limit."""
        if self.value is None:
            return False
        return self.value <= self.limit if self.sense == "at most" else self.value >= self.limit

    def as_json(self) -> dict[str, Any]:
        """The bar as plain data."""
        return {
            "name": self.name,
            "value": self.value,
            "limit": self.limit,
            "sense": self.sense,
            "met": self.met,
        }


@dataclass(frozen=True)
class Outcome:
    """An axis: its title, what it measured (`rows`, one dict each with the same keys), its bars and settings."""

    axis: str
    title: str
    rows: list[dict[str, Any]]
    bars: list[Bar]
    settings: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {
            "title": self.title,
            "settings": self.settings,
            "rows": self.rows,
            "bars": [bar.as_json() for bar in self.bars],
        }


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Quotient of two figures, or None where one is missing or theirs is zero."""
    return ours / theirs if ours is not None and theirs else None
