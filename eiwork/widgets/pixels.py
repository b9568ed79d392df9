"""Pixel values as they travel with a widget, and what is read off them: pure functions of arrays."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Numbers, to_picture

Line = Literal["row", "column"]
_LEVELS = 65535


@dataclass(frozen=True)
class Pixels:
    """The values low + step * level of one grey image, with 16-bit levels (height, width).

    Every value is within step / 2 of the image's own; `quantise` takes the image's range for low and step.
    """

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
    """Spread 65536 levels over the range of one grey or complex (magnitude) image.

    Raises `InputError` for colour, for other shapes (see `to_picture`) and for values that are not finite.
    """
    picture = to_picture(image, name)
    if picture.ndim != 2:
        raise InputError(f"{name} is a colour image; compare one channel, or its mean over the channels.")
    low, high = float(picture.min()), float(picture.max())
    step = (high - low) / _LEVELS
    levels = np.zeros(picture.shape) if step == 0 else np.round((picture - low) / step)
    return Pixels(levels.astype(np.uint16), low, step)


def line_profile(picture: np.ndarray, line: Line, position: int) -> np.ndarray:
    """The values of a (height, width) picture along one row or column.

    Raises `InputError` when there is no such line.
    """
    if line not in ("row", "column"):
        raise InputError(f'line is {line!r}; it must be "row" or "column".')
    count = picture.shape[0 if line == "row" else 1]
    if not 0 <= position < count:
        raise InputError(f"There is no {line} {position}: the picture has {line}s 0 to {count - 1}.")
    return picture[position] if line == "row" else picture[:, position]


def largest_difference(pictures: Mapping[str, np.ndarray]) -> float:
    """The largest |a - b| in one pixel over all pairs of pictures of one shape; 1 if they are all equal."""
    stack = np.stack(list(pictures.values()))
    return float((stack.max(axis=0) - stack.min(axis=0)).max()) or 1.0
