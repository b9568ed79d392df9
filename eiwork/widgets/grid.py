"""One axis of a grid of precomputed pictures: its labels and the positions between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from eiwork.errors import InputError
from eiwork.figures.arrays import Number


@dataclass(frozen=True)
class Axis:
    """The name of an axis and its labels: texts, or numbers that lie in order and can be interpolated."""

    name: str
    labels: Sequence[str] | Sequence[Number]

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.labels) == 0:
            raise InputError("An axis of a widget needs a name and at least one label.")
        if len(set(self.labels)) != len(self.labels):
            raise InputError(f"The axis {self.name!r} has the same label twice: {list(self.labels)}.")

    @property
    def is_numeric(self) -> bool:
        """Whether every label is a number."""
        return all(isinstance(label, int | float) for label in self.labels)

    @property
    def texts(self) -> list[str]:
        """The labels as shown."""
        return [_text(label) for label in self.labels]

    def position(self, index: Number) -> Number:
        """The number at a fractional index, interpolated linearly; whole when all labels are whole numbers."""
        if not self.is_numeric:
            raise InputError(f"The labels of {self.name!r} are texts; there is nothing in between.")
        low = min(int(index), len(self.labels) - 1)
        high = min(low + 1, len(self.labels) - 1)
        value = float(self.labels[low]) + (index - low) * (float(self.labels[high]) - float(self.labels[low]))
        return round(value) if all(isinstance(label, int) for label in self.labels) else value

    def text_at(self, index: Number) -> str:
        """The label at a grid index, or the interpolated number between."""
        return _text(self.labels[int(index)]) if float(index).is_integer() else _text(self.position(index))


def _text(label: str | Number) -> str:
    return f"{label:.4g}" if isinstance(label, float) else str(label)
