"""A widget that compares images of one object: swipe, side by side, difference, zoom, values along a line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import anywidget
import numpy as np
import traitlets

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers
from eiwork.figures.described import DescribedFigure
from eiwork.figures.image_comparison import image_comparison
from eiwork.widgets.frames import figure_frame
from eiwork.widgets.pixels import Line, Pixels, largest_difference, line_profile, quantise
from eiwork.widgets.scripts import script

MAX_IMAGES = 6
"""Images in one comparer: as many as there are line styles that are told apart on light and dark pages."""

View = Literal["swipe", "side by side", "difference"]


class ImageComparer(anywidget.AnyWidget):
    """Two of several images of one object, and the values of all of them where one looks.

    The values travel with the widget as 16-bit levels over each image's own range, so it works in JupyterLab, in an
    executed notebook and in the static book, where no Python runs. With a live kernel `cursor`, `line`, `left`,
    `right`, `view` and `divider` follow the page (observe them), and `set_image` changes what the page shows.

    Args:
        images: name -> image, 2 to 6 of one size: (height, width), or (channel, height, width) with 1 channel
            or 2 (real and imaginary part: the magnitude).
        title: shown above the images.
        alt: what the widget as a whole lets one see.
        left, right: names of the two images shown first; by default the first and the second.
        view: "swipe" (a divider between them), "side by side" or "difference" (left - right).
        value_range: (black, white).
        difference_range: the largest difference told apart; by default the largest between any two images.
        row, column: the marked pixel; by default in the middle.
        line: whether values are drawn along the marked pixel's "row" or "column".
        width: width of an image in CSS pixels.

    Raises:
        InputError: too few or too many images, sizes that disagree, unknown names, a pixel outside, an empty range.
    """

    _esm = script("chart.js", "image_comparer.js")
    _css = Path(__file__).parent / "widgets.css"

    title = traitlets.Unicode().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    images = traitlets.List().tag(sync=True)
    shape = traitlets.List().tag(sync=True)
    value_range = traitlets.List().tag(sync=True)
    difference_range = traitlets.Float().tag(sync=True)
    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)
    view = traitlets.Enum(["swipe", "side by side", "difference"]).tag(sync=True)
    divider = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    cursor = traitlets.List().tag(sync=True)
    line = traitlets.Enum(["row", "column"]).tag(sync=True)
    width = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        images: Mapping[str, Numbers],
        *,
        title: str,
        alt: str,
        left: str | None = None,
        right: str | None = None,
        view: View = "swipe",
        value_range: tuple[Number, Number] = (0.0, 1.0),
        difference_range: Number | None = None,
        row: int | None = None,
        column: int | None = None,
        line: Line = "row",
        width: int = 384,
    ) -> None:
        if not 2 <= len(images) <= MAX_IMAGES:
            raise InputError(f"ImageComparer compares 2 to {MAX_IMAGES} images; got {len(images)}.")
        if not alt.strip() or not title.strip():
            raise InputError("ImageComparer needs a title and an alt text that says what it lets one see.")
        self._pixels = {name: quantise(image, f"images[{name!r}]") for name, image in images.items()}
        names = list(self._pixels)
        shapes = {pixels.levels.shape for pixels in self._pixels.values()}
        if len(shapes) != 1:
            raise InputError(f"The images differ in size: {sorted(shapes)}. Compare images of one size.")
        height, width_in_pixels = shapes.pop()
        cursor = [height // 2 if row is None else row, width_in_pixels // 2 if column is None else column]
        if not (0 <= cursor[0] < height and 0 <= cursor[1] < width_in_pixels):
            raise InputError(f"Pixel {tuple(cursor)} is not in images of {height} x {width_in_pixels} pixels.")
        chosen = (names[0] if left is None else left, names[1] if right is None else right)
        if not set(chosen) <= set(names):
            raise InputError(f"left and right are {chosen}; the images are {names}.")
        if not value_range[1] > value_range[0] or (difference_range is not None and not difference_range > 0):
            raise InputError(f"value_range {value_range} or difference_range {difference_range} is empty.")
        super().__init__(
            title=title,
            description=alt,
            images=self._state(),
            shape=[height, width_in_pixels],
            value_range=[float(v) for v in value_range],
            difference_range=float(largest_difference(self.values()) if difference_range is None else difference_range),
            left=chosen[0],
            right=chosen[1],
            view=view,
            cursor=cursor,
            line=line,
            width=width,
        )

    def _state(self) -> list[dict[str, str | float]]:
        return [{"name": name, **pixels.state()} for name, pixels in self._pixels.items()]

    def values(self) -> dict[str, np.ndarray]:
        """Name -> the (height, width) values that the page shows, within half a 16-bit level of the images given."""
        return {name: pixels.values for name, pixels in self._pixels.items()}

    def profiles(self) -> dict[str, np.ndarray]:
        """Name -> the values along the marked row or column, as the page draws them now."""
        position = self.cursor[0 if self.line == "row" else 1]
        return {name: line_profile(v, self.line, position) for name, v in self.values().items()}

    def pixel(self) -> dict[str, float]:
        """Name -> the value in the marked pixel."""
        row, column = self.cursor
        return {name: float(values[row, column]) for name, values in self.values().items()}

    def set_image(self, name: str, image: Numbers) -> None:
        """Replace the image of this name, on the page too.

        Raises `InputError` for an unknown name or another size.
        """
        pixels: Pixels = quantise(image, name)
        if name not in self._pixels or list(pixels.levels.shape) != self.shape:
            raise InputError(
                f"set_image({name!r}) with shape {pixels.levels.shape}: the images are {list(self._pixels)} of "
                f"{self.shape[0]} x {self.shape[1]} pixels."
            )
        self._pixels[name] = pixels
        self.images = self._state()

    def figure(self) -> DescribedFigure:
        """The two images, their difference and all profiles as a static figure with its alternative text."""
        return image_comparison(
            self.values(),
            left=self.left,
            right=self.right,
            line=self.line,
            position=self.cursor[0 if self.line == "row" else 1],
            value_range=(self.value_range[0], self.value_range[1]),
            difference_range=self.difference_range,
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and for pages without widgets a static figure and texts that do not change between runs."""
        base = super()._repr_mimebundle_(**kwargs)
        data, metadata = base if base is not None else ({}, {})
        frame = figure_frame(self.figure())
        height, width = self.shape
        data["text/plain"] = (
            f"{self.title} ({len(self._pixels)} images, {height} x {width} pixels). {self.description} "
            f"Shown: {frame.alt}"
        )
        data["image/png"] = frame.data_url.partition(",")[2]
        return data, metadata
