"""Images side by side on one grey scale, with their errors below."""

import textwrap
from collections.abc import Sequence

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.style import ERROR_COLOUR_MAP, style


def image_row(
    images: Sequence[Numbers],
    titles: Sequence[str],
    *,
    psnr: Sequence[Number | None] | None = None,
    reference: Numbers | None = None,
    value_range: tuple[Number, Number] | None = None,
    error_range: Number | None = None,
    n_columns: int | None = None,
    panel_size: Number = 2.2,
    description: str = "",
) -> DescribedFigure:
    """Show images on one common scale, wrapped into `n_columns` (default: all in one row).

    Args:
        images: each (height, width) or (channel, height, width); 2 channels are shown as a magnitude.
        titles: one per image.
        psnr: peak signal-to-noise ratios in dB that the caller computed, one per image, written under the
            titles; None leaves one out.
        reference: the ground truth; then a panel |image - reference| stands below each image that differs
            from it, all on one scale from 0 to `error_range`. Needs all images in one row.
        value_range: (black, white); default: the range of `reference`, else of all images.
        error_range: the brightest error; default: the largest error shown.
        panel_size: width of one panel in inches.
        description: a sentence put in front of the alternative text: what the images are of.

    Raises:
        InputError: wrong shapes, counts that disagree, values that are not finite, or an empty range.
    """
    if len(images) == 0 or len(images) != len(titles):
        raise InputError(f"image_row needs one title per image; got {len(images)} images, {len(titles)} titles.")
    if psnr is not None and len(psnr) != len(images):
        raise InputError(f"image_row needs one PSNR per image; got {len(psnr)} for {len(images)} images.")
    if error_range is not None and reference is None:
        raise InputError("error_range is given without a reference: there are no errors to show.")
    if reference is not None and n_columns not in (None, len(images)):
        raise InputError("Error maps stand below one row of images: leave n_columns out when a reference is given.")
    columns = len(images) if n_columns is None else n_columns
    if columns < 1:
        raise InputError(f"n_columns is {columns}; it must be at least 1.")
    pictures = [to_picture(image, f"images[{i}]") for i, image in enumerate(images)]
    truth = None if reference is None else to_picture(reference, "reference")
    low, high = _range(pictures if truth is None else [truth], value_range)
    width = max(8, int(panel_size * 11))  # characters of a title that fit over one panel
    labels = [
        textwrap.fill(title, width) + ("" if psnr is None or psnr[i] is None else f"\n{psnr[i]:.2f} dB")
        for i, title in enumerate(titles)
    ]
    n_rows = 2 if truth is not None else -(-len(pictures) // columns)
    aspect = pictures[0].shape[0] / pictures[0].shape[1]
    title_height = 0.1 + 0.17 * max(label.count("\n") + 1 for label in labels)
    figure, axes = new_figure(
        n_rows,
        columns,
        size=(
            columns * panel_size + (0.6 if truth is not None else 0.0),
            n_rows * panel_size * aspect + (title_height + 0.25 if truth is not None else n_rows * title_height),
        ),
    )
    with style():
        for axis in axes.flat:
            blank(axis)
        for axis, picture, label in zip(axes.flat, pictures, labels, strict=False):
            axis.imshow(
                np.clip((picture - low) / (high - low), 0, 1) if picture.ndim == 3 else picture,
                vmin=low,
                vmax=high,
                cmap="gray",
            )
            axis.set_title(label)
        text = _alt_text(titles, psnr, low, high, description)
        if truth is not None:
            text += _draw_errors(figure, axes[1], pictures, truth, titles, error_range)
    figure.alt_text = text
    return figure


def _range(pictures: Sequence[np.ndarray], value_range: tuple[Number, Number] | None) -> tuple[Number, Number]:
    if value_range is None:
        low, high = min(float(p.min()) for p in pictures), max(float(p.max()) for p in pictures)
        return (low, high) if high > low else (low, low + 1.0)
    if not value_range[1] > value_range[0]:
        raise InputError(f"value_range is {value_range}: its second value must exceed its first.")
    return value_range


def _draw_errors(
    figure: DescribedFigure,
    axes: np.ndarray,
    pictures: Sequence[np.ndarray],
    truth: np.ndarray,
    titles: Sequence[str],
    error_range: Number | None,
) -> str:
    errors: dict[int, np.ndarray] = {}
    for i, picture in enumerate(pictures):
        if picture.shape != truth.shape:
            raise InputError(f"images[{i}] has shape {picture.shape} but the reference has {truth.shape}.")
        difference = np.abs(picture - truth)
        if difference.max() > 0:
            errors[i] = difference if difference.ndim == 2 else difference.mean(axis=-1)
    if not errors:
        return " Every image equals the reference."
    top = max(float(e.max()) for e in errors.values()) if error_range is None else error_range
    if not top > 0:
        raise InputError(f"error_range is {top}; it must be positive.")
    shown = None
    for i, error in errors.items():
        shown = axes[i].imshow(error, vmin=0, vmax=top, cmap=ERROR_COLOUR_MAP)
        axes[i].set_title("|error|", fontsize=9)
    bar = figure.colorbar(shown, ax=list(axes), fraction=0.05, pad=0.01)  # type: ignore[arg-type]
    bar.ax.tick_params(labelsize=8)
    parts = [f"{titles[i]} {e.mean():.3g} on average, {e.max():.3g} at most" for i, e in errors.items()]
    return " Below, the absolute errors: " + "; ".join(parts) + "."


def _alt_text(
    titles: Sequence[str], psnr: Sequence[Number | None] | None, low: Number, high: Number, description: str
) -> str:
    names = [
        title.replace("\n", " ") + ("" if psnr is None or psnr[i] is None else f" (PSNR {psnr[i]:.2f} dB)")
        for i, title in enumerate(titles)
    ]
    count = "One image" if len(names) == 1 else f"{len(names)} images side by side"
    text = f"{count}, values from {low:.3g} (black) to {high:.3g} (white): " + ", ".join(names) + "."
    return f"{description.strip()} {text}" if description.strip() else text
