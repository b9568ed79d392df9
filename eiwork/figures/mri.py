"""k-space: which lines a scan measures, what a turn of the head does to them, and the spokes of a radial scan."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import LineCollection

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array, to_picture
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, style

_FLOOR = 1e-3


def sampled_kspace(
    image: Numbers,
    kspace: Numbers,
    mask: Numbers,
    inverse: Numbers,
    *,
    value_range: tuple[Number, Number] = (0.0, 1.0),
    panel_size: Number = 2.2,
    description: str = "",
) -> DescribedFigure:
    """An image, its k-space, the part of it that is measured, and the image that this part gives; k-space in decades.

    Args:
        image, inverse: (height, width) or (channel, height, width); 2 channels are shown as a magnitude.
        kspace: of the image, the zero frequency in the middle, in the same layouts.
        mask: (height, width), not zero where measured.
        value_range: (black, white) of the images.
        panel_size: width of a panel in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: sizes that disagree, k-space that is zero, or an empty range.
    """
    spectrum, measured = to_picture(kspace, "kspace"), to_array(mask, "mask") != 0
    if measured.shape != spectrum.shape:
        raise InputError(f"mask has shape {measured.shape} and kspace {spectrum.shape}: they must agree.")
    decades = _decades(spectrum)
    pictures = [to_picture(image, "image"), decades, np.where(measured, decades, np.nan)]
    pictures.append(to_picture(inverse, "inverse"))
    share = float(measured.mean())
    titles = ["image", "its k-space", f"measured: {share:.0%}", "zero-filled inverse"]
    if not value_range[1] > value_range[0]:
        raise InputError(f"value_range is {value_range}: its second value must exceed its first.")
    figure, axes = new_figure(1, 4, size=(4 * panel_size, panel_size + 0.3))
    with style():
        for i, (axis, picture, title) in enumerate(zip(axes.flat, pictures, titles, strict=True)):
            axis.set(xticks=[], yticks=[], title=title)
            axis.grid(visible=False)
            low, high = (np.log10(_FLOOR), 0.0) if i in (1, 2) else value_range
            axis.imshow(picture, vmin=low, vmax=high, cmap="cividis" if i in (1, 2) else "gray")
            axis.set_facecolor("#eeeeee")
    figure.alt_text = (
        f"{description.strip()} Four panels: an image, its k-space (brightest in the middle, three decades), the "
        f"{share:.0%} of it that is measured, and the zero-filled inverse."
    ).strip()
    return figure


def turned_sampling(
    image: Numbers,
    kspace: Numbers,
    columns: Sequence[int] | Numbers,
    degrees: Number,
    *,
    value_range: tuple[Number, Number] = (0.0, 1.0),
    panel_size: Number = 2.6,
    description: str = "",
) -> DescribedFigure:
    """A turned head, its k-space with the measured columns, and where these columns lie in the head at rest.

    A turned image has a k-space that is turned as well (the projection-slice theorem), so that the columns of the
    turned head are the same columns turned back, in the k-space of the head at rest.

    Args:
        image: the turned image, (height, width) or (channel, height, width).
        kspace: of the image at rest and of the turned one: two of them, (height, width) or (channel, height, width),
            the zero frequency at index size // 2.
        columns: indices of the measured columns.
        degrees: of the turn, counter-clockwise as on the page.
        value_range: (black, white) of the image.
        panel_size: width of a panel in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: not two k-spaces, a column outside, or an empty range.
    """
    if len(kspace) != 2:
        raise InputError(f"turned_sampling needs two k-spaces, at rest and turned; got {len(kspace)}.")
    rest, turned = (to_picture(k, f"kspace[{i}]") for i, k in enumerate(kspace))
    n = rest.shape[1]
    chosen = to_array(columns, "columns")
    if chosen.ndim != 1 or chosen.size == 0 or chosen.min() < 0 or chosen.max() > n - 1:
        raise InputError(f"columns must be a list of indices from 0 to {n - 1}, at least one.")
    if not value_range[1] > value_range[0]:
        raise InputError(f"value_range is {value_range}: its second value must exceed its first.")
    figure, axes = new_figure(1, 3, size=(3 * panel_size, panel_size + 0.45))
    titles = [
        f"head turned by {degrees:g}°",
        f"its k-space:\n{chosen.size} columns measured",
        "the same numbers\nin the head at rest",
    ]
    with style():
        for axis, title in zip(axes.flat, titles, strict=True):
            axis.set(xticks=[], yticks=[], title=title)
            axis.grid(visible=False)
        axes[0, 0].imshow(to_picture(image, "image"), vmin=value_range[0], vmax=value_range[1], cmap="gray")
        for axis, spectrum, angle in ((axes[0, 1], turned, 0.0), (axes[0, 2], rest, -float(degrees))):
            axis.imshow(_decades(spectrum), vmin=np.log10(_FLOOR), vmax=0.0, cmap="gray")
            lines = turned_columns(chosen, rest.shape, angle)
            axis.add_collection(LineCollection(list(lines), colors="#E69F00", linewidths=1.1))
            axis.set(xlim=(-0.5, n - 0.5), ylim=(rest.shape[0] - 0.5, -0.5))
    figure.alt_text = (
        f"{description.strip()} Three panels: the head turned by {degrees:g} degrees; its k-space with "
        f"{chosen.size} measured columns as upright lines; the k-space of the head at rest with the same lines turned "
        f"by {-degrees:g} degrees."
    ).strip()
    return figure


def turned_columns(columns: Numbers, shape: tuple[int, int], degrees: Number) -> np.ndarray:
    """Ends (column, 2, (x, y)) of k-space columns turned counter-clockwise about the zero frequency, in pixels."""
    x = to_array(columns, "columns") - shape[1] // 2
    y = np.array([-0.5, shape[0] - 0.5]) - shape[0] // 2
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    # Rows count downwards: counter-clockwise on the page is x' = c x + s y, y' = -s x + c y.
    ends = np.stack([c * x[:, None] + s * y, -s * x[:, None] + c * y], axis=-1)
    return np.asarray(ends + np.array([shape[1] // 2, shape[0] // 2]))


def spokes(
    patterns: Mapping[str, Numbers],
    radius: Number,
    *,
    panel_size: Number = 2.4,
    description: str = "",
) -> DescribedFigure:
    """The lines through the centre of k-space that radial scans measure, one panel per scan.

    Args:
        patterns: label -> (n,) directions in degrees, from the right, downwards as rows count.
        radius: of k-space, in cycles per field of view.
        panel_size: width of a panel in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: no pattern, no directions, or a radius that is not positive.
    """
    if not patterns or not radius > 0:
        raise InputError(f"spokes needs at least one pattern and a positive radius, not {radius}.")
    figure, axes = new_figure(1, len(patterns), size=(len(patterns) * panel_size, panel_size + 0.4))
    parts = []
    with style():
        for axis, (label, numbers) in zip(axes.flat, patterns.items(), strict=True):
            degrees = to_array(numbers, f"patterns[{label!r}]")
            if degrees.ndim != 1 or degrees.size == 0 or not np.isfinite(degrees).all():
                raise InputError(f"patterns[{label!r}] must be a list (n,) of finite directions in degrees.")
            theta = np.deg2rad(degrees)
            ends = radius * np.stack([np.cos(theta), np.sin(theta)], axis=-1)
            axis.add_collection(
                LineCollection(list(np.stack([-ends, ends], axis=1)), colors=PALETTE[0], linewidths=0.8)
            )
            axis.set(xlim=(-radius, radius), ylim=(radius, -radius), aspect="equal", title=label)
            axis.set(xticks=[-radius, 0, radius], yticks=[-radius, 0, radius])
            sorted_angles = np.sort(np.mod(degrees, 180.0))
            gap = np.diff(sorted_angles, append=sorted_angles[0] + 180.0).max()
            parts.append(f"{label}: {degrees.size} spokes, widest gap {gap:.1f} degrees".replace("\n", " "))
    figure.alt_text = f"{description.strip()} Spokes through the centre of k-space. {'; '.join(parts)}.".strip()
    return figure


def _decades(spectrum: np.ndarray) -> np.ndarray:
    """log10 of a spectrum relative to its largest value, three decades of it."""
    top = float(spectrum.max())
    if not top > 0:
        raise InputError("kspace is all zero: there is nothing to draw.")
    return np.log10(np.maximum(spectrum / top, _FLOOR))
