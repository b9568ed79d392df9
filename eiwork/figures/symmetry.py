"""What a group lets a scanner see: images beside a spectrum, and a prediction against what was observed."""

from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array, to_picture
from eiwork.figures.described import DescribedFigure, new_figure
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
    figure, axes = new_figure(
        1, n + 1, size=(panel_size * (n + 1.5), panel_size + 0.6), width_ratios=[1] * n + [1.4]
    )
    with style():
        for axis, image, title, (low, high) in zip(axes[0], images, titles, value_ranges, strict=False):
            if not high > low:
                raise InputError(
                    f"value_ranges holds ({low}, {high}): the second value must exceed the first."
                )
            axis.imshow(to_picture(image), vmin=low, vmax=high, cmap="gray")
            axis.set_title(title)
            axis.set_axis_off()
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
    description: str = "",
) -> DescribedFigure:
    """Predictions against what was observed, one colour and marker per set, every point named.

    Args:
        predicted: set -> (n,) numbers.
        observed: set -> (n,) numbers.
        labels: set -> n names.
        x_label, y_label: of the axes.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: sets or lengths that disagree, or values that are not finite.
    """
    if not predicted or not set(predicted) == set(observed) == set(labels):
        raise InputError("predicted, observed and labels must name the same sets, at least one.")
    figure, axes = new_figure(size=(6.4, 4.4))
    axis = axes[0, 0]
    parts = []
    with style():
        for i, name in enumerate(predicted):
            x, y = (
                to_array(predicted[name], f"predicted[{name!r}]"),
                to_array(observed[name], f"observed[{name!r}]"),
            )
            if not x.shape == y.shape == (len(labels[name]),) or not np.isfinite([x, y]).all():
                raise InputError(
                    f"The set {name!r} needs as many finite predictions and observations as labels."
                )
            axis.plot(x, y, color=look(i)["color"], marker=look(i)["marker"], linestyle="none", label=name)
            for label, u, v in zip(labels[name], x, y, strict=True):
                axis.annotate(label, (u, v), xytext=(4, 3), textcoords="offset points", fontsize=7)
            points = ", ".join(
                f"{label} ({u:.2f}, {v:.2f})" for label, u, v in zip(labels[name], x, y, strict=True)
            )
            parts.append(f"{name}: {points}")
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        axis.margins(x=0.12)
        axis.legend()
    figure.alt_text = f"{description.strip()} {y_label} against {x_label}. {'; '.join(parts)}.".strip()
    return figure
