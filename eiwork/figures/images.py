"""Images side by side: on one grey scale, with their errors below, and signed parts in colour."""

import textwrap
from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.colors import Colormap

from eiwork.figures.arrays import Number, Numbers, Range, checked_range, require, to_array, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.style import DIFFERENCE_COLOUR_MAP, ERROR_COLOUR_MAP, style


@style()
def image_row(
    images: Sequence[Numbers],
    titles: Sequence[str],
    *,
    psnr: Sequence[Number | None] | None = None,
    reference: Numbers | None = None,
    signed: Collection[int] = (),
    value_range: Range | None = None,
    signed_range: Number | None = None,
    n_columns: int | None = None,
    panel_size: Number = 2.2,
    description: str = "",
) -> DescribedFigure:
    """Images on one common scale, wrapped into `n_columns` (default: all in one row), as `to_picture` takes them.

    psnr in dB; with a reference, |image - reference| stands below each image that differs from it. The `signed` columns
    are blue (negative), white (zero) and vermilion (positive), up to `signed_range` or the largest of their row.
    value_range (black, white): by default that of the reference, else of all images; panel_size in inches. Raises
    `InputError` for counts, shapes or ranges that do not fit.
    """
    n = len(images)
    require(0 < n == len(titles), f"image_row needs one title per image; got {len(titles)} for {n} images.")
    scores = [None] * n if psnr is None else list(psnr)
    require(len(scores) == n, f"image_row needs one PSNR per image; got {len(scores)} for {n}.")
    columns = n if n_columns is None else n_columns
    require(columns >= 1, f"n_columns is {columns}; it must be at least 1.")
    require(set(signed) <= set(range(columns)), f"signed = {list(signed)} names a column outside 0 to {columns - 1}.")
    require(signed_range is None or signed_range > 0, f"signed_range is {signed_range}; it must be positive.")
    told = "Error maps stand below one row of images: leave n_columns and signed out when a reference is given."
    require(reference is None or (columns == n and not signed), told)
    pictures = [to_picture(image, f"images[{i}]") for i, image in enumerate(images)]
    for i in range(n):
        told = f"images[{i}] is in a signed column and must have one channel: take the real part."
        require(i % columns not in signed or to_array(images[i]).squeeze().ndim == 2, told)
    truth = None if reference is None else to_picture(reference, "reference")
    plain = [picture for i, picture in enumerate(pictures) if i % columns not in signed]
    low, high = _range(plain if truth is None else [truth], value_range)
    width = max(8, int(panel_size * 11))  # characters of a title that fit over one panel
    labels, names = [], []
    for title, score in zip(titles, scores, strict=True):
        labels.append(textwrap.fill(title, width) + ("" if score is None else f"\n{score:.2f} dB"))
        names.append(title.replace("\n", " ") + ("" if score is None else f" (PSNR {score:.2f} dB)"))
    n_rows = -(-n // columns)
    title_height = n_rows * (0.1 + 0.17 * max(label.count("\n") + 1 for label in labels))
    if truth is not None:
        n_rows, title_height = 2, title_height + 0.25
    height = n_rows * panel_size * pictures[0].shape[0] / pictures[0].shape[1] + title_height
    with_bar = 0.6 if truth is not None or signed else 0.0
    figure, axes = new_figure(n_rows, columns, size=(columns * panel_size + with_bar, height))
    text = f"{'One image' if n == 1 else f'{n} images side by side'}, values from {low:.3g} (black) to {high:.3g} "
    text += f"(white): {', '.join(names)}."
    for axis in axes.flat:
        blank(axis)
    for i, (axis, picture, label) in enumerate(zip(axes.flat, pictures, labels, strict=False)):
        axis.set_title(label)
        if i % columns not in signed:
            shown = np.clip((picture - low) / (high - low), 0, 1) if picture.ndim == 3 else picture
            axis.imshow(shown, vmin=low, vmax=high, cmap="gray")
    if truth is not None:
        text += _draw_errors(figure, axes[1], pictures, truth, names)
    for r, panels in enumerate(axes if signed else ()):
        own = {c: pictures[r * columns + c] for c in sorted(signed) if r * columns + c < n}
        if own:
            top = signed_range or max(float(np.abs(picture).max()) for picture in own.values()) or 1.0
            text += _draw_signed(figure, panels, own, names[r * columns :], top)
    return figure.described(description, text)


def _range(pictures: Sequence[np.ndarray], value_range: Range | None) -> Range:
    if value_range is not None or not pictures:
        return checked_range(value_range or (0.0, 1.0))
    low, high = min(float(p.min()) for p in pictures), max(float(p.max()) for p in pictures)
    return (low, high) if high > low else (low, low + 1.0)


def _draw_signed(
    figure: DescribedFigure, panels: np.ndarray, pictures: dict[int, np.ndarray], names: Sequence[str], top: Number
) -> str:
    """Draw the signed pictures (by column) of one row, from -top to top; returns their text."""
    _draw_in_colour(figure, panels, pictures, (-top, top), DIFFERENCE_COLOUR_MAP)
    for c in pictures:
        panels[c].set_axis_on()  # a part that is zero is all white: a frame shows where it is
        panels[c].spines[:].set(visible=True, color="#bbbbbb")
    parts = ", ".join(names[c] for c in pictures)
    return f" In colour, from {-top:.3g} (blue) over 0 (white) to {top:.3g} (vermilion): {parts}."


def _draw_errors(
    figure: DescribedFigure, panels: np.ndarray, pictures: Sequence[np.ndarray], truth: np.ndarray, names: Sequence[str]
) -> str:
    """Draw |image - truth| where there is a difference, on one scale; returns its text."""
    errors: dict[int, np.ndarray] = {}
    for i, picture in enumerate(pictures):
        fits = picture.shape == truth.shape
        require(fits, f"images[{i}] has shape {picture.shape} but the reference has {truth.shape}.")
        difference = np.abs(picture - truth)
        if difference.max() > 0:
            errors[i] = difference if difference.ndim == 2 else difference.mean(axis=-1)
            panels[i].set_title("|error|", fontsize=9)
    if not errors:
        return " Every image equals the reference."
    _draw_in_colour(figure, panels, errors, (0, max(float(e.max()) for e in errors.values())), ERROR_COLOUR_MAP)
    parts = [f"{names[i]} {e.mean():.3g} on average, {e.max():.3g} at most" for i, e in errors.items()]
    return f" Below, the absolute errors: {'; '.join(parts)}."


def _draw_in_colour(
    figure: DescribedFigure, panels: np.ndarray, pictures: dict[int, np.ndarray], limits: Range, colours: str | Colormap
) -> None:
    """Draw pictures (by column) in a colour map, with one colour bar."""
    shown = [panels[c].imshow(p, vmin=limits[0], vmax=limits[1], cmap=colours) for c, p in pictures.items()]
    figure.colorbar(shown[0], ax=list(panels), fraction=0.05, pad=0.01).ax.tick_params(labelsize=8)
