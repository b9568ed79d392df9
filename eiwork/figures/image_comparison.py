"""Two images of one object: side by side, their difference, and all values along one line."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.style import PALETTE, look, style

# From the palette's blue over white to its vermilion, which every kind of colour vision tells apart.
DIFFERENCE_COLOUR_MAP = LinearSegmentedColormap.from_list("difference", [PALETTE[0], "white", PALETTE[1]])


def image_comparison(
    images: Mapping[str, Numbers],
    *,
    left: str,
    right: str,
    line: Literal["row", "column"] = "row",
    position: int = 0,
    value_range: tuple[Number, Number] = (0.0, 1.0),
    difference_range: Number | None = None,
    panel_size: Number = 2.2,
    description: str = "",
) -> DescribedFigure:
    """Two of several images, left - right between -`difference_range` and it, and the profiles of all along a line.

    Args:
        images: name -> (height, width) or (channel, height, width) with 1 or 2 (magnitude) channels, all of one size.
        left, right: names of the two images.
        line, position: the row or column whose profile is drawn.
        value_range: (black, white).
        difference_range: the largest difference that is told apart; by default the largest there is.
        panel_size: width of an image in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: unknown names, images that disagree in size or have colour, a line outside them, an empty range.
    """
    pictures = {name: to_picture(image, f"images[{name!r}]") for name, image in images.items()}
    shapes = {picture.shape for picture in pictures.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise InputError(f"image_comparison needs grey images of one size; got shapes {sorted(shapes)}.")
    if left not in pictures or right not in pictures:
        raise InputError(f"left = {left!r} and right = {right!r} must be among the images {list(pictures)}.")
    height, width = next(iter(shapes))
    count = height if line == "row" else width
    if line not in ("row", "column") or not 0 <= position < count:
        raise InputError(f"There is no {line} {position} in images of {height} x {width} pixels.")
    difference = pictures[left] - pictures[right]
    top = float(np.abs(difference).max()) or 1.0 if difference_range is None else float(difference_range)
    if not value_range[1] > value_range[0] or not top > 0:
        raise InputError(f"value_range {value_range} or difference_range {difference_range} is empty.")
    figure, axes = new_figure(
        1, 4, size=(panel_size * 5.1, panel_size * height / width + 0.6), width_ratios=[1.0, 1.0, 1.2, 1.7]
    )
    low, high = value_range
    with style():
        for axis, name in zip(axes[0], (left, right), strict=False):
            axis.imshow(pictures[name], vmin=low, vmax=high, cmap="gray")
            axis.set_title(name)
        shown = axes[0, 2].imshow(difference, vmin=-top, vmax=top, cmap=DIFFERENCE_COLOUR_MAP)
        axes[0, 2].set_title(f"{left}\n- {right}")
        figure.colorbar(shown, ax=axes[0, 2], fraction=0.05, pad=0.02).ax.tick_params(labelsize=8)
        for axis in axes[0, :3]:
            mark = axis.axhline if line == "row" else axis.axvline
            mark(position, color=PALETTE[5], linestyle="--", linewidth=1.0)
            blank(axis)
        parts = []
        for i, (name, picture) in enumerate(pictures.items()):
            values = picture[position] if line == "row" else picture[:, position]
            axes[0, 3].plot(values, label=name, **(look(i) | {"marker": ""}))
            parts.append(f"{name} from {values.min():.3g} to {values.max():.3g}")
        axes[0, 3].set_title(f"{line} {position}")
        axes[0, 3].set_xlabel("column" if line == "row" else "row")
        axes[0, 3].legend(fontsize=8)
    rms = float(np.sqrt(np.mean(difference**2)))
    figure.alt_text = (
        f"{description.strip()} {left} beside {right}, their difference (root mean square {rms:.3g}, largest "
        f"{np.abs(difference).max():.3g}), and the values along {line} {position}: {'; '.join(parts)}."
    ).strip()
    return figure
