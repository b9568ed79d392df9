"""What an operator keeps and loses: singular spectra, and images beside signed parts of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.image_comparison import DIFFERENCE_COLOUR_MAP
from eiwork.figures.style import REFERENCE_COLOUR, look, style


def singular_spectra(
    spectra: Mapping[str, Numbers],
    *,
    floor: Number = 1e-6,
    cutoff: Number | None = None,
    description: str = "",
) -> DescribedFigure:
    """Singular values relative to the largest, sorted, against the share of directions that have larger ones.

    Args:
        spectra: label -> (n,) singular values, one per direction of the image; the null space's are zero.
        floor: relative values below it count as zero and are drawn on the bottom line.
        cutoff: a relative cut-off, drawn as a horizontal line.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: no spectrum, values that are negative, not finite or all zero, or a bad floor.
    """
    if not spectra or not 0 < floor < 1:
        raise InputError(f"singular_spectra needs at least one spectrum and a floor in (0, 1), not {floor}.")
    figure, axes = new_figure()
    axis = axes[0, 0]
    parts = []
    with style():
        for i, (label, numbers) in enumerate(spectra.items()):
            values = to_array(numbers, f"spectra[{label!r}]")
            if values.ndim != 1 or not np.isfinite(values).all() or not values.size or values.min() < 0:
                raise InputError(f"spectra[{label!r}] must be a list (n,) of finite singular values >= 0.")
            if not values.max() > 0:
                raise InputError(f"spectra[{label!r}] is all zero: the operator sees nothing.")
            relative = np.sort(values)[::-1] / values.max()
            share = 100 * (np.arange(len(relative)) + 0.5) / len(relative)
            axis.semilogy(
                share,
                np.maximum(relative, floor),
                label=label,
                **(look(i) | {"marker": "", "linewidth": "2"}),
            )
            seen = relative > floor
            parts.append(
                f"{label}: {100 * seen.mean():.0f} % of {len(relative)} directions above {floor:.0e}, the smallest of "
                f"them {relative[seen].min():.2g}"
            )
        if cutoff is not None:
            axis.axhline(cutoff, color=REFERENCE_COLOUR, linestyle=":", label=f"cut-off {cutoff:.2g}")
        axis.set_ylim(floor * 0.7, 1.6)
        axis.set_xlabel("directions of the image, strongest first (%)")
        axis.set_ylabel(f"relative singular value (bottom: below {floor:.0e})")
        axis.legend()
    figure.alt_text = (
        f"{description.strip()} Relative singular values on a logarithmic axis. {'; '.join(parts)}."
    ).strip()
    return figure


def image_parts(
    images: Sequence[Sequence[Numbers]],
    titles: Sequence[Sequence[str]],
    *,
    signed: Sequence[int],
    value_range: tuple[Number, Number] = (0.0, 1.0),
    signed_range: Number | None = None,
    panel_size: Number = 2.2,
    description: str = "",
) -> DescribedFigure:
    """Rows of images; those in the `signed` columns in blue (negative), white (zero) and vermilion (positive).

    Args:
        images: rows of equally many images, each (height, width) or (channel, height, width); in the signed
            columns with one channel.
        titles: one per image, in the same rows.
        signed: indices of the signed columns.
        value_range: (black, white) of the other columns.
        signed_range: the value of the full colours; by default the largest of each row.
        panel_size: width of a panel in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts that disagree, an unknown column, an empty range, or images that cannot be shown.
    """
    columns = len(images[0]) if images else 0
    if columns == 0 or any(len(row) != columns for row in [*images, *titles]) or len(images) != len(titles):
        raise InputError("image_parts needs rows of equally many images, and one title for each of them.")
    if not set(signed) <= set(range(columns)):
        raise InputError(f"signed = {list(signed)} names a column that is not among 0 to {columns - 1}.")
    if not value_range[1] > value_range[0] or (signed_range is not None and not signed_range > 0):
        raise InputError(f"value_range {value_range} or signed_range {signed_range} is empty.")
    pictures = [
        [_picture(image, f"images[{r}][{c}]", c in signed) for c, image in enumerate(row)]
        for r, row in enumerate(images)
    ]
    lines = [max(title.count("\n") + 1 for title in row) for row in titles]
    aspect = pictures[0][0].shape[0] / pictures[0][0].shape[1]
    height = sum(panel_size * aspect + 0.1 + 0.18 * n for n in lines)
    figure, axes = new_figure(len(images), columns, size=(columns * panel_size + 0.5 * bool(signed), height))
    parts = []
    with style():
        for row, names, panels in zip(pictures, titles, axes, strict=True):
            top = signed_range
            if top is None:
                top = max((float(np.abs(row[c]).max()) for c in signed), default=1.0) or 1.0
            shown = None
            for c, (picture, name, axis) in enumerate(zip(row, names, panels, strict=True)):
                axis.set_title(name)
                if c in signed:
                    # A part that is zero is all white: a frame shows where it is.
                    axis.set(xticks=[], yticks=[])
                    axis.spines[:].set(visible=True, color="#bbbbbb")
                    shown = axis.imshow(picture, vmin=-top, vmax=top, cmap=DIFFERENCE_COLOUR_MAP)
                else:
                    blank(axis)
                    axis.imshow(picture, vmin=value_range[0], vmax=value_range[1], cmap="gray")
            if shown is not None:
                figure.colorbar(shown, ax=list(panels), fraction=0.05, pad=0.01).ax.tick_params(labelsize=8)
            parts.append(", ".join(name.replace("\n", " ") for name in names) + f" (colours to ±{top:.3g})")
    figure.alt_text = f"{description.strip()} Images: {'; '.join(parts)}.".strip()
    return figure


def _picture(image: Numbers, name: str, signed: bool) -> np.ndarray:
    if signed and to_array(image, name).squeeze().ndim != 2:
        raise InputError(f"{name} is in a signed column and must have one channel: take the real part.")
    return to_picture(image, name)
