"""A widget that shows one picture of a precomputed grid; a live kernel computes the pictures in between."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from eiwork.errors import InputError
from eiwork.figures.arrays import Number
from eiwork.widgets.frames import Frame
from eiwork.widgets.grid import Axis

_HERE = Path(__file__).parent


class FrameExplorer(anywidget.AnyWidget):
    """A slider (or two) over pictures computed beforehand.

    The pictures travel with the widget, so it works in JupyterLab, in an executed notebook and in the static
    book, where no Python runs. With `compute` and a live kernel the sliders also stop between the grid points
    and Python computes the picture there.

    Args:
        frames: n pictures, or m rows of n pictures (then `second_labels` names the rows).
        labels: the n positions along the slider: texts, or numbers.
        title: shown above the picture.
        alt: what the widget as a whole lets one see.
        axis: what the slider moves along, e.g. "iteration".
        second_labels, second_axis: the same for the rows.
        start: the column, or (row, column), shown first; the last column by default.
        width: width of the picture in CSS pixels; smaller pictures are enlarged with visible pixels.
        compute: position -> Frame, or (second position, position) -> Frame with two axes, for positions off the
            grid. Needs numbers as labels; between whole numbers the positions are whole numbers.

    Raises:
        InputError: counts that disagree, a start outside the grid, `compute` with labels that are not numbers.
    """

    _esm = _HERE / "frame_explorer.js"
    _css = _HERE / "widgets.css"

    title = traitlets.Unicode().tag(sync=True)
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
        if len(rows) != n_rows or any(len(row) != n_columns for row in rows):
            raise InputError(
                f"The labels describe a grid of {n_rows} x {n_columns} frames, but frames has "
                f"{len(rows)} rows of {sorted({len(row) for row in rows})}."
            )
        if not alt.strip() or not title.strip():
            raise InputError("FrameExplorer needs a title and an alt text that says what it lets one see.")
        if compute is not None and not all(a.is_numeric for a in self._axes):
            raise InputError("compute needs numbers as labels, so that there is something in between.")
        self._frames = rows
        self._compute = compute
        super().__init__(
            title=title,
            description=alt,
            pictures=[[{"src": f.data_url, "alt": f.alt, "caption": f.caption} for f in row] for row in rows],
            axes=[{"name": a.name, "labels": a.texts} for a in self._axes],
            index=self._start(start, n_rows, n_columns),
            width=width,
        )
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
        if len(index) != len(self._axes):
            raise InputError(f"This explorer has {len(self._axes)} axes, but {len(index)} indices were given.")
        for value, axis in zip(index, self._axes, strict=True):
            if not 0 <= value <= len(axis.labels) - 1:
                raise InputError(f"Index {value} is outside the axis {axis.name!r}: 0 to {len(axis.labels) - 1}.")
        if all(float(value).is_integer() for value in index):
            place = [int(value) for value in index]
            return self._frames[0 if len(place) == 1 else place[0]][place[-1]]
        if self._compute is None:
            raise InputError("There is no frame between grid points: give `compute` to have one made.")
        return self._compute(*(axis.position(value) for value, axis in zip(index, self._axes, strict=True)))

    def _answer(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        """Answer the page: that Python lives and can compute, or the frame it asks for."""
        if content.get("kind") == "hello":
            if self._compute is not None:
                self.send({"kind": "alive"})
            return
        if content.get("kind") != "compute":
            return
        index = content["index"]
        try:
            frame = self.frame_at(*index)
        except Exception as error:  # noqa: BLE001  the page shows it: raised here, nobody would see it
            self.send({"kind": "failed", "index": index, "text": f"{type(error).__name__}: {error}"})
            return
        positions = [axis.text_at(value) for value, axis in zip(index, self._axes, strict=True)]
        picture = {"src": frame.data_url, "alt": frame.alt, "caption": frame.caption}
        self.send({"kind": "frame", "index": index, "labels": positions, "picture": picture})

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for pages without widgets its first picture and texts that do not change between runs."""
        base = super()._repr_mimebundle_(**kwargs)
        data, metadata = base if base is not None else ({}, {})
        frame = self.frame_at(*self.index)
        count = f"{len(self._frames)} x {len(self._frames[0])}" if len(self._axes) == 2 else len(self._frames[0])
        data["text/plain"] = f"{self.title} ({count} pictures). {self.description} Shown: {frame.alt}"
        data["image/png"] = frame.data_url.partition(",")[2]
        return data, metadata
