"""A widget that compares images of one object: swipe, side by side, difference, zoom, values along a line."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import traitlets

from eiwork.figures.arrays import Numbers, Range, checked_range, require, to_picture
from eiwork.figures.images import image_row
from eiwork.widgets.frames import Frame, figure_frame
from eiwork.widgets.page import PageWidget, check_texts, script

_MAX_IMAGES = 6  # as many as there are line styles that are told apart on light and dark pages
_LEVELS = 65535


@dataclass(frozen=True)
class Pixels:
    """The values low + step * level of one grey image, 16-bit levels (height, width), within step / 2 of its own."""

    levels: np.ndarray
    low: float
    step: float

    @property
    def values(self) -> np.ndarray:
        """The image as the page shows it, float64."""
        return self.low + self.step * self.levels.astype(np.float64)

    def state(self) -> dict[str, str | float]:
        """What the page needs: little-endian 16-bit levels, row by row, in base64, and low and step."""
        data = base64.b64encode(self.levels.astype("<u2").tobytes()).decode("ascii")
        return {"data": data, "low": self.low, "step": self.step}


def quantise(image: Numbers, name: str = "image") -> Pixels:
    """65536 levels over the range of a grey or complex (magnitude) image; raises as `to_picture`, and for colour."""
    picture = to_picture(image, name)
    require(picture.ndim == 2, f"{name} is a colour image; compare one channel, or its mean over the channels.")
    low, high = float(picture.min()), float(picture.max())
    step = (high - low) / _LEVELS
    levels = np.zeros(picture.shape) if step == 0 else np.round((picture - low) / step)
    return Pixels(levels.astype(np.uint16), low, step)


class ImageComparer(PageWidget):
    """Two of several images of one object, and the values of all of them where one looks.

    2 to 6 images, name -> (height, width) or (channel, height, width), 2 channels as a magnitude, all of one size, sent
    as 16-bit levels over each image's own range; the first two are shown first. value_range is (black, white), `row`
    and `column` the marked pixel (the middle by default). With a live kernel `cursor`, `line`, `left`, `right`, `view`
    and `divider` follow the page. Raises `InputError` for counts, sizes, a pixel or a range that do not fit.
    """

    _esm = script("chart.js", "image_comparer.js")

    description = traitlets.Unicode().tag(sync=True)
    images = traitlets.List().tag(sync=True)
    shape = traitlets.List().tag(sync=True)
    value_range = traitlets.List().tag(sync=True)
    difference_range = traitlets.Float().tag(sync=True)
    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)
    view = traitlets.Enum(["swipe", "side by side", "difference"], "swipe").tag(sync=True)
    divider = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    cursor = traitlets.List().tag(sync=True)
    line = traitlets.Enum(["row", "column"], "row").tag(sync=True)
    width = traitlets.Int(384).tag(sync=True)

    def __init__(
        self,
        images: Mapping[str, Numbers],
        *,
        title: str,
        alt: str,
        value_range: Range = (0.0, 1.0),
        row: int | None = None,
        column: int | None = None,
    ) -> None:
        told = f"ImageComparer compares 2 to {_MAX_IMAGES} images; got {len(images)}."
        require(2 <= len(images) <= _MAX_IMAGES, told)
        check_texts(title, alt)
        self._pixels = {name: quantise(image, f"images[{name!r}]") for name, image in images.items()}
        shapes = {pixels.levels.shape for pixels in self._pixels.values()}
        require(len(shapes) == 1, f"The images differ in size: {sorted(shapes)}. Compare images of one size.")
        height, width = shapes.pop()
        cursor = [height // 2 if row is None else row, width // 2 if column is None else column]
        told = f"Pixel {tuple(cursor)} is not in images of {height} x {width} pixels."
        require(0 <= cursor[0] < height and 0 <= cursor[1] < width, told)
        stack = np.stack(list(self.values().values()))
        left, right, *_ = self._pixels
        super().__init__(
            title=title,
            description=alt,
            images=[{"name": name, **pixels.state()} for name, pixels in self._pixels.items()],
            shape=[height, width],
            value_range=[float(v) for v in checked_range(value_range)],
            # The largest difference between any two of them, in one pixel.
            difference_range=float((stack.max(axis=0) - stack.min(axis=0)).max()) or 1.0,
            left=left,
            right=right,
            cursor=cursor,
        )

    def values(self) -> dict[str, np.ndarray]:
        """Name -> the (height, width) values that the page shows, within half a 16-bit level of the images given."""
        return {name: pixels.values for name, pixels in self._pixels.items()}

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
