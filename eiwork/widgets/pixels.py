"""Pixel values as they travel with a widget: pure functions of arrays."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eiwork.figures.arrays import Numbers, require, to_picture

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
    require(picture.ndim == 2, f"{name} is a colour image; compare one channel, or its mean over the channels.")
    low, high = float(picture.min()), float(picture.max())
    step = (high - low) / _LEVELS
    levels = np.zeros(picture.shape) if step == 0 else np.round((picture - low) / step)
    return Pixels(levels.astype(np.uint16), low, step)


def largest_difference(pictures: Mapping[str, np.ndarray]) -> float:
    """The largest |a - b| in one pixel over all pairs of pictures of one shape; 1 if they are all equal."""
    stack = np.stack(list(pictures.values()))
    return float((stack.max(axis=0) - stack.min(axis=0)).max()) or 1.0
