"""Evidence of a ledger of claims: intervals beside the value that a claim wants exceeded."""

from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, to_array
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, style

Ends = tuple[Number, Number]
# Colour, marker: verdicts are told apart without colour, and written out beside the interval.
_LOOKS: Mapping[str, tuple[str, str]] = {
    "supported": (PALETTE[2], "o"),
    "partly": (PALETTE[0], "s"),
    "open": (REFERENCE_COLOUR, "D"),
    "not supported": (PALETTE[1], "X"),
}


def evidence(
    labels: Sequence[str],
    means: Sequence[Number],
    intervals: Sequence[Ends],
    verdicts: Sequence[str],
    *,
    over_seeds: Sequence[Ends | None] | None = None,
    target: Number = 0.0,
    quantity: str = "difference of PSNR (dB)",
    description: str = "",
) -> DescribedFigure:
    """A row for each number of a claim: its mean, its interval over images and seeds, and a thin one over seeds alone.

    Args:
        labels: n numbers, from top to bottom.
        means: n values.
        intervals: n pairs (lower, upper) of the bootstrap over images and seeds, drawn thick.
        verdicts: n of "supported", "partly", "open", "not supported".
        over_seeds: n pairs of Student's interval over seeds, drawn thin and cut off at the axis; None for one seed.
        target: the value that the claim wants exceeded, drawn as a line.
        quantity: label of the axis.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts that disagree, an unknown verdict, an interval without its mean, or no row.
    """
    n = len(labels)
    outer: Sequence[Ends | None] = [None] * n if over_seeds is None else over_seeds
    if not n or any(len(part) != n for part in (means, intervals, verdicts, outer)):
        raise InputError(f"evidence needs one mean, interval and verdict for each of {n} labels, and a label.")
    unknown = [verdict for verdict in verdicts if verdict not in _LOOKS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is not a verdict; choose from {', '.join(_LOOKS)}.")
    middle, ends = to_array(list(means), "means"), to_array(list(intervals), "intervals")
    if not np.isfinite(ends).all() or (ends[:, 0] > middle).any() or (ends[:, 1] < middle).any():
        raise InputError("An interval is not finite or does not contain its mean; give (lower, upper).")
    figure, axes = new_figure(size=(7.4, 1.2 + 0.36 * n))
    axis, parts = axes[0, 0], []
    low, high = min(float(ends.min()), float(target)), max(float(ends.max()), float(target))
    margin = 0.12 * (high - low) or 1.0
    with style():
        axis.axvline(target, color=REFERENCE_COLOUR, linestyle="--", linewidth=1.2)
        for row, verdict in enumerate(verdicts):
            colour, marker = _LOOKS[verdict]
            wide = outer[row]
            if wide is not None:
                axis.plot(wide, [row, row], "-", color=colour, linewidth=1.0)
            axis.plot(ends[row], [row, row], "-", color=colour, linewidth=3.0, solid_capstyle="butt")
            axis.plot(middle[row], row, marker, color=colour, markersize=7, markeredgecolor="white")
            axis.text(1.01, row, verdict, transform=axis.get_yaxis_transform(), va="center", fontsize=9)
            seeds = "one seed" if wide is None else f"over seeds {wide[0]:.3g} to {wide[1]:.3g}"
            parts.append(
                f"{labels[row]} {middle[row]:.3g} ({ends[row, 0]:.3g} to {ends[row, 1]:.3g}, {seeds}): {verdict}"
            )
        axis.set_yticks(np.arange(n), labels)
        axis.set_ylim(n - 0.5, -0.5)
        axis.set_xlim(low - margin, high + margin)
        axis.set_xlabel(f"{quantity}\nthick: 95 % over images and seeds; thin: 95 % over seeds alone")
        axis.grid(axis="y", visible=False)
    figure.alt_text = f"{description.strip()} Intervals of {quantity} beside {target:g}: {'; '.join(parts)}.".strip()
    return figure
