"""Figures of the study: training curves against what they cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Numbers, to_array
from eiwork.figures.comparison import wrapped
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, look, style


def cost_curves(
    curves: Mapping[str, Mapping[str, Sequence[tuple[Numbers, Numbers]]]],
    *,
    y_label: str = "held-out PSNR (dB)",
    description: str = "",
) -> DescribedFigure:
    """Training curves against several costs, one panel each: the mean over seeds, single seeds faint behind it.

    Seven methods share a row of panels; more have further rows.

    Args:
        curves: cost (label of a panel's axis) -> method -> one (cost so far, quality) pair per seed, each (n,).
        y_label: label of the common axis.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: no curve, or a curve whose lengths disagree or whose cost does not grow.
    """
    if not curves or not all(methods and all(methods.values()) for methods in curves.values()):
        raise InputError("cost_curves needs at least one cost, with at least one method and seed each.")
    names = list(dict.fromkeys(name for methods in curves.values() for name in methods))
    # A row holds as many methods as there are looks that can be told apart.
    rows = [names[i : i + len(PALETTE)] for i in range(0, len(names), len(PALETTE))]
    size = (3.8 + 3.8 * len(curves), 3.4 * len(rows))
    figure, axes = new_figure(len(rows), len(curves), size=size, sharey=True)
    texts: dict[str, list[str]] = {cost: [] for cost in curves}
    with style():
        for own, panels in zip(rows, axes, strict=True):
            for axis, (cost, methods) in zip(panels, curves.items(), strict=True):
                for i, method in enumerate(own):
                    if method in methods:
                        texts[cost].append(_draw(axis, methods[method], method, cost, i))
                axis.set_xlabel(cost)
            panels[0].set_ylabel(y_label)
            # Beside the panels: over them it would hide the ends of the curves.
            handles, labels = panels[0].get_legend_handles_labels()
            panels[-1].legend(handles, map(wrapped, labels), loc="upper left", bbox_to_anchor=(1.02, 1.02))
    parts = [f"Against {cost}: {', '.join(ends)}." for cost, ends in texts.items()]
    figure.alt_text = f"{description.strip()} Curves of {y_label}. {' '.join(parts)}".strip()
    return figure


def _draw(axis: Any, seeds: Sequence[tuple[Numbers, Numbers]], method: str, cost: str, i: int) -> str:
    """The curves of a method in the i-th look; returns their text."""
    pairs = [_pair(x, y, f"{method} over {cost}") for x, y in seeds]
    for x, y in pairs:
        axis.plot(x, y, color=look(i)["color"], alpha=0.25, linewidth=0.8)
    x, y = mean_curve(pairs)
    axis.plot(x, y, label=method, markevery=max(1, len(x) // 8), **look(i))
    return f"{method} {y[0]:.2f} at {x[0]:.3g} and {y[-1]:.2f} at {x[-1]:.3g}"


def _pair(x: Numbers, y: Numbers, name: str) -> tuple[np.ndarray, np.ndarray]:
    cost, quality = to_array(x, name), to_array(y, name)
    if cost.ndim != 1 or cost.shape != quality.shape or cost.size == 0:
        raise InputError(f"{name}: cost has shape {cost.shape} and quality {quality.shape}; both need (n,).")
    if not (np.isfinite(cost).all() and np.isfinite(quality).all() and (np.diff(cost) >= 0).all()):
        raise InputError(f"{name}: the cost must grow along the curve, and every value be finite.")
    return cost, quality


def mean_curve(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The mean of curves over the range that all of them have."""
    low, high = max(x[0] for x, _ in pairs), min(x[-1] for x, _ in pairs)
    if not low <= high:
        return pairs[0]
    grid = np.unique(np.concatenate([x[(x >= low) & (x <= high)] for x, _ in pairs] + [[low, high]]))
    return grid, np.mean([np.interp(grid, x, y) for x, y in pairs], axis=0)
