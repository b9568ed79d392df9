"""k-space: which lines a scan measures, and what a turn of the head does to them."""

import numpy as np
from matplotlib.collections import LineCollection

from eiwork.figures.arrays import Number, Numbers, require, to_array, to_numbers, to_picture
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, style

_FLOOR = 1e-3


@style()
def turned_sampling(image: Numbers, kspace: Numbers, columns: Numbers, degrees: Number) -> DescribedFigure:
    """A turned head, its k-space with the measured columns, and these, turned back, in that of the head at rest.

    image: the turned one, from 0 (black) to 1; kspace: two, at rest and turned, zero frequency at size // 2; columns:
    indices; degrees counter-clockwise as on the page. Raises `InputError` for other counts, and a column outside.
    """
    require(len(kspace) == 2, f"turned_sampling needs two k-spaces, at rest and turned; got {len(kspace)}.")
    rest, turned = (_decades(k, f"kspace[{i}]") for i, k in enumerate(kspace))
    height, width = rest.shape
    chosen, scale = to_numbers(columns, "columns"), (np.log10(_FLOOR), 0.0)
    require(((chosen >= 0) & (chosen <= width - 1)).all(), f"columns must be indices from 0 to {width - 1}.")
    figure, axes = new_figure(1, 3, size=(7.8, 3.05))
    for axis, picture, title, (low, high), angle in (
        (axes[0, 0], to_picture(image, "image"), f"head turned by {degrees:g}°", (0.0, 1.0), None),
        (axes[0, 1], turned, f"its k-space:\n{chosen.size} columns measured", scale, 0.0),
        (axes[0, 2], rest, "the same numbers\nin the head at rest", scale, -float(degrees)),
    ):
        axis.set(xticks=[], yticks=[], title=title)
        axis.grid(visible=False)
        axis.imshow(picture, vmin=low, vmax=high, cmap="gray")
        if angle is not None:
            lines = turned_columns(chosen, (height, width), angle)
            axis.add_collection(LineCollection(list(lines), colors=PALETTE[5], linewidths=1.1))
            axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    text = f"Three panels: the head turned by {degrees:g} degrees; its k-space with {chosen.size} measured columns as "
    text += f"upright lines; the k-space of the head at rest with the same lines turned by {-degrees:g} degrees."
    return figure.described("", text)


def turned_columns(columns: Numbers, shape: tuple[int, int], degrees: Number) -> np.ndarray:
    """Ends (column, 2, (x, y)) of k-space columns turned counter-clockwise about the zero frequency, in pixels."""
    x = to_array(columns, "columns") - shape[1] // 2
    y = np.array([-0.5, shape[0] - 0.5]) - shape[0] // 2
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    # Rows count downwards: counter-clockwise on the page is x' = c x + s y, y' = -s x + c y.
    ends = np.stack([c * x[:, None] + s * y, -s * x[:, None] + c * y], axis=-1)
    return np.asarray(ends + np.array([shape[1] // 2, shape[0] // 2]))


def _decades(kspace: Numbers, name: str) -> np.ndarray:
    """log10 of the magnitude relative to its largest value, three decades of it."""
    spectrum = to_picture(kspace, name)
    require(float(spectrum.max()) > 0, f"{name} is all zero: there is nothing to draw.")
    return np.log10(np.maximum(spectrum / float(spectrum.max()), _FLOOR))
