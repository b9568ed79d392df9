"""What a group lets a scanner see: images beside a spectrum, and a prediction against what was observed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, look, style


def seen_by_group(
    images: Sequence[Numbers],
    titles: Sequence[str],
    thresholds: Numbers,
    shares: Mapping[str, Numbers],
    *,
    current: str,
    threshold: Number,
    value_ranges: Sequence[tuple[Number, Number]],
    panel_size: Number = 2.2,
    description: str = "",
) -> DescribedFigure:
    """Images beside the share of directions that each group sees better than a threshold, one group drawn strongly.

    Args:
        images: each (height, width) or (channel, height, width), e.g. what is seen and what is not.
        titles: one per image.
        thresholds: (n,) positive singular values, increasing.
        shares: group -> (n,) share of all directions with a larger singular value, in [0, 1].
        current: the group drawn strongly.
        threshold: the singular value below which a direction counts as lost, a vertical line.
        value_ranges: (black, white) of each image.
        panel_size: width of an image in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts or lengths that disagree, an unknown group, or values out of range.
    """
    x = to_array(thresholds, "thresholds")
    if not len(images) == len(titles) == len(value_ranges) > 0:
        raise InputError(
            f"seen_by_group needs a title and a range per image; got {len(images)} images, {len(titles)} titles, "
            f"{len(value_ranges)} ranges."
        )
    if x.ndim != 1 or len(x) < 2 or not (x[0] > 0 and (np.diff(x) > 0).all()):
        raise InputError("thresholds must be at least two positive numbers in increasing order.")
    if current not in shares:
        raise InputError(f"current is {current!r}; the groups are {list(shares)}.")
    n = len(images)
    figure, axes = new_figure(1, n + 1, size=(panel_size * (n + 1.5), panel_size + 0.6), width_ratios=[1] * n + [1.4])
    with style():
        for axis, image, title, (low, high) in zip(axes[0], images, titles, value_ranges, strict=False):
            if not high > low:
                raise InputError(f"value_ranges holds ({low}, {high}): the second value must exceed the first.")
            axis.imshow(to_picture(image), vmin=low, vmax=high, cmap="gray")
            axis.set_title(title)
            blank(axis)
        curve = axes[0, -1]
        for label, values in shares.items():
            y = to_array(values, f"shares[{label!r}]")
            if y.shape != x.shape or not ((y >= -1e-9) & (y <= 1 + 1e-9)).all():
                raise InputError(f"shares[{label!r}] must be {len(x)} numbers in [0, 1], one per threshold.")
            if label != current:
                curve.plot(x, y, color="#bbbbbb", linewidth=1.0, linestyle="-")
        own = to_array(shares[current], "shares")
        curve.plot(x, own, color=PALETTE[0], linestyle="-", label=current)
        curve.axvline(threshold, color=REFERENCE_COLOUR, linestyle=":", linewidth=1.2)
        curve.set_xscale("log")
        curve.set_ylim(-0.03, 1.03)
        curve.set_xlabel("singular value")
        curve.set_title("share of directions above")
        curve.legend(loc="lower left")
    at = float(np.interp(np.log(threshold), np.log(x), own))
    figure.alt_text = (
        f"{description.strip()} {', '.join(titles)}; beside them, for {current}, the share of directions whose "
        f"singular value exceeds a threshold: {at:.0%} at {threshold:.2g}; the other groups in grey."
    ).strip()
    return figure


def prediction(
    predicted: Mapping[str, Numbers],
    observed: Mapping[str, Numbers],
    labels: Mapping[str, Sequence[str]],
    *,
    x_label: str,
    y_label: str,
    lowest: Number | None = None,
    description: str = "",
) -> DescribedFigure:
    """Predictions against what was observed, a panel per set, every point named.

    Args:
        predicted: set -> (n,) numbers.
        observed: set -> (n,) numbers.
        labels: set -> n names.
        x_label, y_label: of the axes.
        lowest: observations below it are drawn there, as an arrow with their value; None draws all where they are.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: sets or lengths that disagree, or values that are not finite.
    """
    if not predicted or not set(predicted) == set(observed) == set(labels):
        raise InputError("predicted, observed and labels must name the same sets, at least one.")
    figure, axes = new_figure(1, len(predicted), size=(3.1 * len(predicted), 3.6))
    sets = {name: _points(name, predicted[name], observed[name], labels[name]) for name in predicted}
    heights = np.concatenate([y for _, y in sets.values()])
    floor = heights.min() if lowest is None else max(float(lowest), heights.min())
    margin = 0.08 * (heights.max() - floor) + 1e-9
    with style():
        for i, (axis, (name, (x, y))) in enumerate(zip(axes[0], sets.items(), strict=True)):
            shown = np.maximum(y, floor)
            colour = look(i)["color"]
            axis.plot(x, shown, color=colour, marker=look(i)["marker"], linestyle="none")
            texts = [
                label if v >= floor else f"{label}: {v:.1f} \u2193" for label, v in zip(labels[name], y, strict=True)
            ]
            _name_points(axis, x, shown, texts, gap=0.9 * margin)
            axis.set_title(name)
            axis.set_xlabel(x_label)
            axis.set_xlim(-0.08, 1.08)
            axis.set_ylim(floor - margin, heights.max() + 2 * margin)
            if i:
                axis.set_yticklabels([])
        axes[0, 0].set_ylabel(y_label)
    parts = [
        f"{name}: " + ", ".join(f"{label} ({u:.2f}, {v:.2f})" for label, u, v in zip(labels[name], x, y, strict=True))
        for name, (x, y) in sets.items()
    ]
    figure.alt_text = f"{description.strip()} {y_label} against {x_label}. {'; '.join(parts)}.".strip()
    return figure


def _points(name: str, predicted: Numbers, observed: Numbers, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    x, y = to_array(predicted, f"predicted[{name!r}]"), to_array(observed, f"observed[{name!r}]")
    if not x.shape == y.shape == (len(labels),) or not np.isfinite([x, y]).all():
        raise InputError(f"The set {name!r} needs as many finite predictions and observations as labels.")
    return x, y


def _name_points(axis: Any, x: np.ndarray, y: np.ndarray, texts: Sequence[str], gap: float) -> None:
    """Names beside their points, those of one half of the panel moved apart until none covers another."""
    for right in (False, True):
        half = sorted(np.flatnonzero((x > 0.5) == right).tolist(), key=lambda k: float(y[k]))
        places: list[float] = []
        for k in half:
            places.append(max(float(y[k]), places[-1] + gap) if places else float(y[k]))
        excess = max(0.0, places[-1] - axis.dataLim.y1 - gap) if places else 0.0
        for k, place in zip(half, places, strict=True):
            axis.annotate(
                texts[k],
                (x[k], y[k]),
                xytext=(x[k] - 0.08 if right else x[k] + 0.08, place - excess),
                ha="right" if right else "left",
                va="center",
                fontsize=7,
                arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6},
            )
