"""Several methods compared in one quantity, with intervals and the single measurements behind them."""

import textwrap
from collections.abc import Sequence

import numpy as np

from eiwork.figures.arrays import Number, Numbers, require, to_array, to_numbers
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, style


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
    """One row per method: a dot at its centre, a bar from lower to upper, faint dots for its single measurements.

    A dot on a free axis and not a bar from zero: differences are what is read. n labels, (n,) centres, lower and upper
    (both or neither, `interval` says what they are), n lists of points, a (label, value) of a vertical line. Raises
    `InputError` for counts that disagree, values that are not finite, or an interval that misses its centre.
    """
    n = len(labels)
    require(n > 0, "comparison needs at least one label.")
    middle = to_numbers(centres, "centres", n)
    require((lower is None) == (upper is None), "Give both lower and upper, or neither.")
    told = "Say in `interval` what lower and upper are, and give it only together with them."
    require((lower is None) != bool(interval), told)
    require(points is None or len(points) == n, f"points has {len(points or ())} lists for {n} methods.")
    ends = None
    if lower is not None and upper is not None:
        ends = np.stack([to_numbers(lower, "lower", n), to_numbers(upper, "upper", n)])
        contained = ((ends[0] <= middle) & (middle <= ends[1])).all()
        require(contained, "An interval does not contain its centre; check the order of lower and upper.")
    figure, axes = new_figure(size=(6.4, 1.1 + 0.42 * n))
    axis = axes[0, 0]
    parts = []
    with style():
        for i, label in enumerate(labels):
            colour = PALETTE[i % len(PALETTE)]
            if points is not None:
                values = to_array(points[i], f"points[{i}]").ravel()
                # Spread in a fixed pattern, not at random: the same numbers give the same picture.
                offsets = 0.16 * np.sin(2.4 * np.arange(values.size))
                axis.plot(values, i + offsets, ".", color=colour, alpha=0.35, markersize=4)
            if ends is not None:
                axis.plot(ends[:, i], [i, i], "-", color=colour, linewidth=2.5)
            axis.plot(middle[i], i, "o", color=colour, markersize=7, markeredgecolor="white")
            range_text = "" if ends is None else f" ({ends[0, i]:.4g} to {ends[1, i]:.4g})"
            parts.append(f"{label} {middle[i]:.4g}{range_text}")
        axis.set_yticks(np.arange(n), [_wrapped(label) for label in labels])
        axis.set_ylim(n - 0.5, -0.5)
        if reference is not None:
            name, value = reference
            axis.axvline(value, color=REFERENCE_COLOUR, linestyle="--")
            axis.text(value, 1.01, name, transform=axis.get_xaxis_transform(), ha="center", fontsize=9)
            parts.append(f"{name} {value:.4g} as a reference line")
        axis.set_xlabel(_wrapped(quantity + (f"\nbars: {interval}" if interval else "")))
        axis.grid(axis="y", visible=False)
    with_what = f", with {interval}" if interval else ""
    return figure.described(description, f"Comparison in {quantity}{with_what}: {'; '.join(parts)}.")


def _wrapped(text: str) -> str:
    """Lines of at most 40 characters: two of them fit a row, and leave half of the width to the values."""
    return "\n".join(textwrap.fill(line, 40) for line in text.splitlines())
