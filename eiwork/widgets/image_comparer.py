"""A widget that compares images of one object: swipe, side by side, difference, zoom, values along a line."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import traitlets

from eiwork.figures.arrays import Number, Numbers, Range, checked_range, require
from eiwork.figures.images import image_row
from eiwork.widgets.frames import Frame, figure_frame
from eiwork.widgets.page import PageWidget, check_texts, script
from eiwork.widgets.pixels import largest_difference, quantise

# As many as there are line styles that are told apart on light and dark pages.
_MAX_IMAGES = 6


class ImageComparer(PageWidget):
    """Two of several images of one object, and the values of all of them where one looks.

    2 to 6 images, name -> (height, width) or (channel, height, width), 2 channels as a magnitude, all of one size. The
    values travel with the widget as 16-bit levels over each image's own range, so it works in JupyterLab, in an
    executed notebook and in the static book, where no Python runs. With a live kernel `cursor`, `line`, `left`,
    `right`, `view` and `divider` follow the page (observe them), and `set_image` changes what the page shows.

    `left` and `right` are shown first (the first two by default) as a "swipe" with a divider, "side by side" or as the
    "difference" left - right, up to `difference_range` (by default the largest between any two); value_range is
    (black, white), `row` and `column` the marked pixel (the middle), `line` the direction of the profile, `width` of an
    image in CSS pixels. Raises `InputError` for counts, sizes, names, a pixel or ranges that do not fit.
    """

    _esm = script("chart.js", "image_comparer.js")

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
        view: Literal["swipe", "side by side", "difference"] = "swipe",
        value_range: Range = (0.0, 1.0),
        difference_range: Number | None = None,
        row: int | None = None,
        column: int | None = None,
        line: Literal["row", "column"] = "row",
        width: int = 384,
    ) -> None:
        require(
            2 <= len(images) <= _MAX_IMAGES, f"ImageComparer compares 2 to {_MAX_IMAGES} images; got {len(images)}."
        )
        check_texts(title, alt)
        checked_range(value_range)
        told = f"difference_range is {difference_range}; it must be positive."
        require(difference_range is None or difference_range > 0, told)
        self._pixels = {name: quantise(image, f"images[{name!r}]") for name, image in images.items()}
        names = list(self._pixels)
        shapes = {pixels.levels.shape for pixels in self._pixels.values()}
        require(len(shapes) == 1, f"The images differ in size: {sorted(shapes)}. Compare images of one size.")
        height, n_columns = shapes.pop()
        cursor = [height // 2 if row is None else row, n_columns // 2 if column is None else column]
        told = f"Pixel {tuple(cursor)} is not in images of {height} x {n_columns} pixels."
        require(0 <= cursor[0] < height and 0 <= cursor[1] < n_columns, told)
        chosen = (names[0] if left is None else left, names[1] if right is None else right)
        require(set(chosen) <= set(names), f"left and right are {chosen}; the images are {names}.")
        super().__init__(
            title=title,
            description=alt,
            images=self._state(),
            shape=[height, n_columns],
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

    def pixel(self) -> dict[str, float]:
        """Name -> the value in the marked pixel."""
        row, column = self.cursor
        return {name: float(values[row, column]) for name, values in self.values().items()}

    def set_image(self, name: str, image: Numbers) -> None:
        """Replace the image of this name, on the page too; `InputError` for an unknown name or another size."""
        pixels = quantise(image, name)
        require(
            name in self._pixels and list(pixels.levels.shape) == self.shape,
            f"set_image({name!r}) with shape {pixels.levels.shape}: the images are {list(self._pixels)} of "
            f"{self.shape[0]} x {self.shape[1]} pixels.",
        )
        self._pixels[name] = pixels
        self.images = self._state()

    def _stand_in(self) -> tuple[str, Frame]:
        values = self.values()
        figure = image_row(
            [values[self.left], values[self.right], values[self.left] - values[self.right]],
            [self.left, self.right, f"{self.left} - {self.right}"],
            signed=[2],
            value_range=(self.value_range[0], self.value_range[1]),
            signed_range=self.difference_range,
        )
        frame, (height, width) = figure_frame(figure), self.shape
        text = f"{self.title} ({len(values)} images, {height} x {width} pixels). {self.description} Shown: {frame.alt}"
        return text, frame
