"""Pictures with their texts, encoded for a widget: pure functions from images and figures to PNG."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from eiwork.figures.arrays import Numbers, Range, checked_range, require, to_picture
from eiwork.figures.described import figure_png


@dataclass(frozen=True)
class Frame:
    """One picture: PNG bytes, `alt` (what it shows, for readers who cannot see it) and a visible `caption`."""

    png: bytes
    alt: str
    caption: str = ""

    def __post_init__(self) -> None:
        is_png = self.png.startswith(b"\x89PNG\r\n\x1a\n")
        require(is_png, "A Frame needs PNG bytes; make them with image_png(image) or figure_frame(figure).")
        told = "A Frame needs an alternative text: one sentence that says what the picture shows."
        require(bool(self.alt.strip()), told)

    @property
    def data_url(self) -> str:
        """The picture as a `data:` URL, which needs no file beside the page."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    def state(self) -> dict[str, str]:
        """What the page needs of it."""
        return {"src": self.data_url, "alt": self.alt, "caption": self.caption}


def image_png(image: Numbers, *, value_range: Range = (0.0, 1.0)) -> bytes:
    """Encode one image as an 8-bit PNG, one pixel per pixel; the same image gives the same bytes.

    The image is as for `to_picture`; values outside `value_range` (black, white) are clipped. Raises `InputError` for
    other shapes, for values that are not finite and for an empty range.
    """
    low, high = checked_range(value_range)
    grey = np.clip((to_picture(image) - low) / (high - low), 0.0, 1.0)
    buffer = io.BytesIO()
    Image.fromarray(np.round(grey * 255).astype(np.uint8)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def image_frames(
    images: Sequence[Numbers], captions: Sequence[str], *, subject: str, value_range: Range = (0.0, 1.0)
) -> list[Frame]:
    """One frame per image on one grey scale; each alternative text is "subject: caption".

    Raises `InputError` when the counts disagree or an image cannot be encoded.
    """
    counts = len(images), len(captions)
    require(counts[0] == counts[1], f"image_frames needs one caption per image; got {counts[0]} and {counts[1]}.")
    return [
        Frame(image_png(image, value_range=value_range), f"{subject}: {caption}", caption)
        for image, caption in zip(images, captions, strict=True)
    ]


def figure_frame(figure: Figure, caption: str = "", *, dots_per_inch: int = 100) -> Frame:
    """One frame from a matplotlib figure; its text is the caption and the figure's own `alt_text`."""
    text = getattr(figure, "alt_text", "").strip()
    text = f"{caption}. {text}" if caption and text else text
    return Frame(figure_png(figure, dots_per_inch=dots_per_inch), text, caption)
