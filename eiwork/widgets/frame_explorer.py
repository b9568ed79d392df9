"""A widget that shows one picture of a precomputed grid; a live kernel computes the pictures in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import traitlets

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, require
from eiwork.widgets.frames import Frame
from eiwork.widgets.page import PageWidget, check_texts, script


@dataclass(frozen=True)
class Axis:
    """The name of an axis and its labels: texts, or numbers that lie in order and can be interpolated."""

    name: str
    labels: Sequence[str] | Sequence[Number]

    def __post_init__(self) -> None:
        named = bool(self.name.strip()) and len(self.labels) > 0
        require(named, "An axis of a widget needs a name and at least one label.")
        distinct = len(set(self.labels)) == len(self.labels)
        require(distinct, f"The axis {self.name!r} has the same label twice: {list(self.labels)}.")

    @property
    def is_numeric(self) -> bool:
        """Whether every label is a number."""
        return all(isinstance(label, int | float) for label in self.labels)

    def position(self, index: Number) -> Number:
        """The number at a fractional index, interpolated linearly; whole when all labels are whole numbers."""
        require(self.is_numeric, f"The labels of {self.name!r} are texts; there is nothing in between.")
        low = min(int(index), len(self.labels) - 1)
        high = min(low + 1, len(self.labels) - 1)
        value = float(self.labels[low]) + (index - low) * (float(self.labels[high]) - float(self.labels[low]))
        return round(value) if all(isinstance(label, int) for label in self.labels) else value

    def text_at(self, index: Number) -> str:
        """The label at a grid index, or the interpolated number between, as shown."""
        label = self.labels[int(index)] if float(index).is_integer() else self.position(index)
        return f"{label:.4g}" if isinstance(label, float) else str(label)


class FrameExplorer(PageWidget):
    """A slider (or two) over pictures computed beforehand: n `frames` with n `labels` (texts or numbers).

    m rows of n frames have `second_labels` and a `second_axis`. `axis` says what the slider moves along, `start` the
    column or (row, column) shown first (the last column by default), `width` the picture's in CSS pixels. `compute`:
    position -> Frame, or (second position, position) -> Frame, with a live kernel makes the pictures between numeric
    labels; between whole numbers the positions are whole. Raises `InputError` for counts that disagree, a start outside
    the grid, or `compute` with labels that are not numbers.
    """

    _esm = script("frame_explorer.js")

    description = traitlets.Unicode().tag(sync=True)
    pictures = traitlets.List().tag(sync=True)
    axes = traitlets.List().tag(sync=True)
    index = traitlets.List().tag(sync=True)
    width = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        frames: Sequence[Frame] | Sequence[Sequence[Frame]],
        labels: Sequence[str] | Sequence[Number],
        *,
        title: str,
        alt: str,
        axis: str = "iteration",
        second_labels: Sequence[str] | Sequence[Number] | None = None,
        second_axis: str = "",
        start: int | tuple[int, int] | None = None,
        width: int = 420,
        compute: Callable[..., Frame] | None = None,
    ) -> None:
        rows: list[list[Frame]] = [list(frames)] if second_labels is None else [list(row) for row in frames]  # type: ignore[arg-type]
        self._axes = [Axis(axis, labels)]
        if second_labels is not None:
            self._axes.insert(0, Axis(second_axis, second_labels))
        elif second_axis:
            raise InputError("second_axis is given without second_labels.")
        n_rows = len(self._axes[0].labels) if len(self._axes) == 2 else 1
        n_columns = len(self._axes[-1].labels)
        told = f"The labels describe a grid of {n_rows} x {n_columns} frames, but frames has {len(rows)} rows of "
        fits = len(rows) == n_rows and all(len(row) == n_columns for row in rows)
        require(fits, f"{told}{sorted({len(row) for row in rows})}.")
        check_texts(title, alt)
        can_compute = compute is None or all(a.is_numeric for a in self._axes)
        require(can_compute, "compute needs numbers as labels, so that there is something in between.")
        self._frames, self._compute = rows, compute
        pictures = [[frame.state() for frame in row] for row in rows]
        axes = [{"name": a.name, "labels": [a.text_at(i) for i in range(len(a.labels))]} for a in self._axes]
        index = self._start(start, n_rows, n_columns)
        super().__init__(title=title, description=alt, pictures=pictures, axes=axes, index=index, width=width)
        self.on_msg(self._answer)

    def _start(self, start: int | tuple[int, int] | None, n_rows: int, n_columns: int) -> list[int]:
        if start is None:
            start = n_columns - 1 if len(self._axes) == 1 else (0, n_columns - 1)
        row, column = (0, start) if isinstance(start, int) else start
        if isinstance(start, int) != (len(self._axes) == 1) or not (0 <= row < n_rows and 0 <= column < n_columns):
            raise InputError(f"start is {start}, which is not a place in the grid of {n_rows} x {n_columns} frames.")
        return [column] if len(self._axes) == 1 else [row, column]

    def frame_at(self, *index: Number) -> Frame:
        """The frame at a grid index (column) or (row, column); fractions lie between and are computed.

        Raises `InputError` outside the grid, and between grid points when there is no `compute`.
        """
        n = len(self._axes)
        require(len(index) == n, f"This explorer has {n} axes, but {len(index)} indices were given.")
        for value, axis in zip(index, self._axes, strict=True):
            last = len(axis.labels) - 1
            require(0 <= value <= last, f"Index {value} is outside the axis {axis.name!r}: 0 to {last}.")
        if all(float(value).is_integer() for value in index):
            place = [int(value) for value in index]
            return self._frames[0 if len(place) == 1 else place[0]][place[-1]]
        if self._compute is None:
            raise InputError("There is no frame between grid points: give `compute` to have one made.")
        return self._compute(*(axis.position(value) for value, axis in zip(index, self._axes, strict=True)))

    def _answer(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        """Answer the page: that Python lives and can compute, or the frame it asks for."""
        if content.get("kind") == "hello" and self._compute is not None:
            self.send({"kind": "alive"})
        if content.get("kind") != "compute":
            return
        index = content["index"]
        try:
            frame = self.frame_at(*index)
        except Exception as error:  # noqa: BLE001  the page shows it: raised here, nobody would see it
            self.send({"kind": "failed", "index": index, "text": f"{type(error).__name__}: {error}"})
            return
        positions = [axis.text_at(value) for value, axis in zip(index, self._axes, strict=True)]
        self.send({"kind": "frame", "index": index, "labels": positions, "picture": frame.state()})

    def _stand_in(self) -> tuple[str, Frame]:
        frame = self.frame_at(*self.index)
        count = f"{len(self._frames)} x {len(self._frames[0])}" if len(self._axes) == 2 else len(self._frames[0])
        return f"{self.title} ({count} pictures). {self.description} Shown: {frame.alt}", frame
