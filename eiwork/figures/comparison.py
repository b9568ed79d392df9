"""Several methods compared in one quantity, with intervals and the single measurements behind them."""

import textwrap
from collections.abc import Sequence

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, style

# Characters in a line of a label: two lines of it fit a row, and leave half of the width to the values.
_LINE = 40


def comparison(
    labels: Sequence[str],
    centres: Numbers,
    *,
    lower: Numbers | None = None,
    upper: Numbers | None = None,
    points: Sequence[Numbers] | None = None,
    quantity: str = "PSNR (dB)",
    interval: str = "",
    reference: tuple[str, Number] | None = None,
    description: str = "",
) -> DescribedFigure:
    """One row per method: a dot at its centre, a bar for its interval, faint dots for its measurements.

    A dot on a free axis and not a bar from zero: differences of PSNR are what is read, and zero means nothing.

    Args:
        labels: n methods, drawn from top to bottom.
        centres: (n,) e.g. means.
        lower, upper: (n,) ends of the intervals; both or neither.
        points: n lists of single measurements (images or seeds).
        quantity: the label of the axis, with its unit.
        interval: what the interval is, e.g. "95 % bootstrap interval over 40 images"; required with lower/upper.
        reference: (label, value) of a vertical line.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts that disagree, values that are not finite, or an interval that misses its centre.
    """
    middle = _vector(centres, "centres", len(labels))
    if (lower is None) != (upper is None):
        raise InputError("Give both lower and upper, or neither.")
    if (lower is None) == bool(interval):
        raise InputError("Say in `interval` what lower and upper are, and give it only together with them.")
    if points is not None and len(points) != len(labels):
        raise InputError(f"points has {len(points)} lists for {len(labels)} methods.")
    ends = None
    if lower is not None and upper is not None:
        ends = np.stack([_vector(lower, "lower", len(labels)), _vector(upper, "upper", len(labels))])
        if (ends[0] > middle).any() or (ends[1] < middle).any():
            raise InputError("An interval does not contain its centre; check the order of lower and upper.")
    figure, axes = new_figure(size=(6.4, 1.1 + 0.42 * len(labels)))
    axis = axes[0, 0]
    rows = np.arange(len(labels))
    parts = []
    with style():
        for i, label in enumerate(labels):
            colour = PALETTE[i % len(PALETTE)]
            if points is not None:
                values = to_array(points[i], f"points[{i}]").ravel()
                # Spread in a fixed pattern, not at random: the same numbers give the same picture.
                offsets = 0.16 * np.sin(2.4 * np.arange(values.size))
                axis.plot(values, rows[i] + offsets, ".", color=colour, alpha=0.35, markersize=4)
            if ends is not None:
                axis.plot(ends[:, i], [rows[i], rows[i]], "-", color=colour, linewidth=2.5)
            axis.plot(middle[i], rows[i], "o", color=colour, markersize=7, markeredgecolor="white")
            parts.append(
                f"{label} {middle[i]:.4g}" + ("" if ends is None else f" ({ends[0, i]:.4g} to {ends[1, i]:.4g})")
            )
        axis.set_yticks(rows, [wrapped(label) for label in labels])
        axis.set_ylim(len(labels) - 0.5, -0.5)
        if reference is not None:
            axis.axvline(reference[1], color=REFERENCE_COLOUR, linestyle="--")
            axis.text(
                reference[1],
                1.01,
                reference[0],
                transform=axis.get_xaxis_transform(),
                ha="center",
                fontsize=9,
            )
            parts.append(f"{reference[0]} {reference[1]:.4g} as a reference line")
        axis.set_xlabel(wrapped(quantity + (f"\nbars: {interval}" if interval else "")))
        axis.grid(axis="y", visible=False)
    text = f"Comparison in {quantity}{f', with {interval}' if interval else ''}: " + "; ".join(parts) + "."
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def wrapped(text: str) -> str:
    """The name of a method in lines short enough to stand beside a figure."""
    return "\n".join(textwrap.fill(line, _LINE) for line in text.splitlines())


def _vector(values: Numbers, name: str, length: int) -> np.ndarray:
    array = to_array(values, name)
    if length == 0 or array.shape != (length,) or not np.isfinite(array).all():
        raise InputError(f"{name} must be {length} finite numbers, one per label, and at least one; got {array}.")
    return array
