"""Is a map a proximal map? The map of one pixel, work around loops, statistics of operators, spectra, landscapes."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, look, style

KINDS: dict[str, tuple[str, str, str]] = {
    "trained": (PALETTE[0], "o", "trained"),
    "comparison": (PALETTE[5], "s", "comparison"),
    "positive": (PALETTE[2], "^", "positive control"),
    "negative": (PALETTE[1], "X", "negative control"),
}
"""Kind of an operator -> colour, marker and its name in a legend."""


@dataclass(frozen=True)
class Mark:
    """A statistic of one operator: its mean, the ends of its interval if there is one, and its extreme values."""

    mean: Number
    interval: tuple[Number, Number] | None
    extremes: tuple[Number, Number]


def prox_panels(
    x: Numbers,
    phi: Numbers,
    objective: Numbers,
    z: Numbers,
    prox: Numbers,
    *,
    current: tuple[Number, Number],
    recovered: tuple[Numbers, Numbers],
    description: str = "",
) -> DescribedFigure:
    """One pixel: a prior, the objective whose minimiser its proximal map returns, and that map.

    Args:
        x: (n,) increasing values of the pixel.
        phi: (n,) the prior there.
        objective: (n,) (x - z)^2 / 2 + phi(x) for the current z.
        z: (m,) increasing inputs of the map.
        prox: (m,) its outputs.
        current: z of the objective and its minimiser.
        recovered: places (k,) and values (k,) of the prior recovered from the map.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: shapes that disagree, or values that are not finite.
    """
    places, inputs = (_increasing(values, name) for values, name in ((x, "x"), (z, "z")))
    prior, cost = (_of_shape(values, places.shape, name) for values, name in ((phi, "phi"), (objective, "objective")))
    outputs = _of_shape(prox, inputs.shape, "prox")
    at = to_array(recovered[0], "recovered[0]")
    found = _of_shape(recovered[1], at.shape, "recovered[1]")
    figure, axes = new_figure(1, 3, size=(9.6, 3.2))
    first, second, third = axes[0]
    lowest = float(np.interp(current[1], places, cost))
    steepest = float((np.diff(outputs) / np.diff(inputs)).max())
    with style():
        first.plot(places, prior, color=PALETTE[0], label="phi")
        first.plot(at, found, "o", color=PALETTE[1], markersize=3.5, label="recovered")
        first.set_title("prior phi(x)")
        first.legend(loc="lower left")
        second.plot(places, cost, color=PALETTE[0])
        second.plot(current[1], lowest, "o", color=PALETTE[1], markersize=8)
        second.axvline(current[0], color=REFERENCE_COLOUR, linestyle=":")
        second.set_title(f"(x - z)^2 / 2 + phi(x), z = {current[0]:.3g}")
        third.plot(inputs, inputs, color=REFERENCE_COLOUR, linestyle=":", label="z")
        third.plot(inputs, outputs, color=PALETTE[0], label="prox(z)")
        third.plot(*current, "o", color=PALETTE[1], markersize=8)
        third.set_title(f"proximal map, steepest slope {steepest:.3g}")
        third.legend(loc="upper left")
        for axis, label in ((first, "x"), (second, "x"), (third, "z")):
            axis.set_xlabel(label)
    text = (
        f"Three panels for one pixel. The prior runs from {prior.min():.3g} to {prior.max():.3g}. The objective at "
        f"z = {current[0]:.3g} is lowest at x = {current[1]:.3g}. The proximal map never falls, and its steepest slope "
        f"on the grid is {steepest:.3g}."
    )
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def loop_in_field(
    points: Numbers,
    arrows: Numbers,
    loop: Numbers,
    turns: Numbers,
    work: Mapping[str, Numbers],
    *,
    description: str = "",
) -> DescribedFigure:
    """A field in the plane with a closed loop, and the work that it does on the way around.

    Args:
        points: (k, 2) where arrows begin.
        arrows: (k, 2) the field there.
        loop: (n, 2) points of the loop.
        turns: (m,) share of the way around, increasing from 0 to 1.
        work: label -> (m,) work done so far; the last value is the circulation.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: shapes that disagree, or no curve of work.
    """
    starts = _pairs(points, "points")
    vectors, path = _of_shape(arrows, starts.shape, "arrows"), _pairs(loop, "loop")
    figure, axes = new_figure(1, 2, size=(8.4, 3.7))
    with style():
        axis = axes[0, 0]
        axis.quiver(*starts.T, *vectors.T, color=PALETTE[0], angles="xy", scale=25, width=0.005)
        axis.plot(*np.vstack([path, path[:1]]).T, color=PALETTE[1])
        axis.plot(*path[0], "o", color=PALETTE[1])
        axis.set_aspect("equal")
        axis.set_xlabel("first pixel")
        axis.set_ylabel("second pixel")
        text = _draw_work(axes[0, 1], turns, work)
    figure.alt_text = f"{description.strip()} A field of arrows with a loop. {text}".strip()
    return figure


def picture_and_curves(
    images: Sequence[Numbers],
    titles: Sequence[str],
    x: Numbers,
    curves: Mapping[str, Numbers],
    *,
    x_label: str,
    y_label: str,
    current: Number | None = None,
    special: Numbers = (),
    value_range: tuple[Number, Number] = (0.0, 1.0),
    description: str = "",
) -> DescribedFigure:
    """Images beside curves, each with a dot at the current position.

    Args:
        images: each (height, width) or (channel, height, width), on one grey scale; 2 channels as a magnitude.
        titles: one per image.
        x: (n,) increasing positions.
        curves: label -> (n,) values.
        x_label, y_label: of the curves.
        current: the position of the images, if they have one.
        special: positions that are marked by thin vertical lines.
        value_range: (black, white).
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts or shapes that disagree, or an empty range.
    """
    if not len(images) == len(titles) > 0 or not curves:
        raise InputError(
            f"picture_and_curves needs a title per image and a curve; got {len(images)} images, {len(titles)} titles, "
            f"{len(curves)} curves."
        )
    if not value_range[1] > value_range[0]:
        raise InputError(f"value_range is {value_range}: its second value must exceed its first.")
    positions = _increasing(x, "x")
    widths = [1.0] * len(images) + [2.1]
    scale = 10.6 / sum(widths)
    figure, axes = new_figure(1, len(widths), size=(10.6, 1.25 * scale + 0.3), width_ratios=widths)
    parts = []
    with style():
        for axis, image, title in zip(axes[0], images, titles, strict=False):
            axis.imshow(to_picture(image), vmin=value_range[0], vmax=value_range[1], cmap="gray")
            axis.set_title(title)
            blank(axis)
        axis = axes[0, -1]
        for place in to_array(special, "special"):
            axis.axvline(place, color="#bbbbbb", linewidth=0.8, zorder=0)
        for i, (label, numbers) in enumerate(curves.items()):
            values = _of_shape(numbers, positions.shape, f"curves[{label!r}]")
            axis.plot(positions, values, label=label, **(look(i) | {"marker": ""}))
            at = positions[-1] if current is None else current
            value = float(np.interp(at, positions, values))
            axis.plot(at, value, look(i)["marker"], color=look(i)["color"], markersize=7)
            value, low, high = _beside(np.array([value, values.min(), values.max()]))
            parts.append(f"{label} {value:.3g} (from {low:.3g} to {high:.3g})")
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        axis.legend()
    where = f" {at:.3g}"
    text = f"Images: {', '.join(titles)}. {y_label} at {x_label}{where}: {'; '.join(parts)}."
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def statistic_panels(
    kinds: Mapping[str, str],
    panels: Mapping[str, Mapping[str, Mark]],
    *,
    ideals: Mapping[str, Number] | None = None,
    limits: Mapping[str, tuple[Number, Number]] | None = None,
    interval: str = "",
    n_columns: int = 3,
    description: str = "",
) -> DescribedFigure:
    """Several statistics of the same operators, a panel each: mean, interval (thick), extreme images (thin).

    An axis shows all images and the ideal; an interval may run out of it.

    Args:
        kinds: operator -> a key of KINDS, from top to bottom.
        panels: statistic -> operator -> Mark; an operator may be missing.
        ideals: statistic -> value that the proximal map of an invariant prior would have, a vertical line.
        limits: statistic -> range of its axis; a mean outside is written at the edge.
        interval: what the intervals are, for the text.
        n_columns: panels in a row.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: no panel, an unknown operator or kind, or marks that are not finite.
    """
    _check_kinds(kinds)
    if not panels or any(set(marks) - set(kinds) for marks in panels.values()):
        raise InputError(f"statistic_panels needs at least one panel, with operators of {list(kinds)} alone.")
    columns = min(n_columns, len(panels))
    lines = -(-len(panels) // columns)
    size = (2.3 + 2.6 * columns, 0.5 + lines * (0.7 + 0.28 * len(kinds)))
    figure, axes = new_figure(lines, columns, size=size, sharey=True)
    rows, parts = {name: row for row, name in enumerate(kinds)}, []
    with style():
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for axis, (title, marks) in zip(axes.flat, panels.items(), strict=False):
            told = []
            for name, mark in marks.items():
                colour, marker, _ = KINDS[kinds[name]]
                ends = [*mark.extremes, *(mark.interval or ())]
                if not np.isfinite([mark.mean, *ends]).all():
                    raise InputError(f"The marks of {name!r} in {title!r} must be finite numbers.")
                axis.plot(mark.extremes, [rows[name]] * 2, "-", color=colour, linewidth=0.9)
                if mark.interval is not None:
                    axis.plot(mark.interval, [rows[name]] * 2, "-", color=colour, linewidth=4, alpha=0.5)
                axis.plot(mark.mean, rows[name], marker, color=colour, markersize=6)
                _write_outside(axis, mark.mean, rows[name], (limits or {}).get(title), colour)
                told.append(f"{name} {_beside(np.array([mark.mean, 1.0]))[0]:.3g}")
            if title in (ideals or {}):
                axis.axvline((ideals or {})[title], color=REFERENCE_COLOUR, linestyle="--", linewidth=1)
            axis.set_xlim((limits or {}).get(title) or _range_of(marks, (ideals or {}).get(title)))
            axis.set_title(textwrap.fill(title, 28), fontsize=9)
            axis.grid(axis="y", visible=False)
            parts.append(f"{title.replace(chr(10), ' ')}: {', '.join(told)}")
        axes[0, 0].set_yticks(list(rows.values()), list(rows))
        axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
        _kind_legend(figure, kinds)
    bars = f", thick bars {interval}" if interval else ""
    text = f"Means with thin bars over all images{bars}. {'. '.join(parts)}."
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def spectrum_ranges(
    ends: Mapping[str, tuple[Numbers, Numbers]], kinds: Mapping[str, str], *, description: str = ""
) -> DescribedFigure:
    """From the smallest to the largest eigenvalue of (J + J^T) / 2, a line per image and a row per operator.

    Args:
        ends: operator -> smallest (n,) and largest (n,) eigenvalues of n images.
        kinds: operator -> a key of KINDS.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: no operator, an unknown kind, or ends in the wrong order.
    """
    _check_kinds({name: kinds.get(name, "") for name in ends})
    figure, axes = new_figure(size=(7.4, 1.3 + 0.36 * len(ends)))
    axis, parts = axes[0, 0], []
    with style():
        for row, (name, (low, high)) in enumerate(ends.items()):
            smallest = to_array(low, f"smallest of {name!r}").ravel()
            largest = _of_shape(high, smallest.shape, f"largest of {name!r}")
            if smallest.size == 0 or (smallest > largest).any():
                raise InputError(f"The eigenvalues of {name!r} must be pairs of smallest and largest.")
            colour, marker, _ = KINDS[kinds[name]]
            for i, places in enumerate(zip(smallest, largest, strict=True)):
                height = row + 0.5 * ((i + 0.5) / len(smallest) - 0.5)
                axis.plot(
                    places,
                    [height] * 2,
                    color=colour,
                    linestyle="-",
                    linewidth=1.2,
                    marker=marker,
                    markersize=3,
                )
            parts.append(f"{name} {smallest.min():.3g} to {largest.max():.3g}")
        left, right = axis.get_xlim()
        axis.set_xlim(min(left, -0.15), max(right, 1.15))
        axis.axvspan(min(left, -0.15), 0, color="#dddddd", zorder=0)
        axis.axvline(1, color=REFERENCE_COLOUR, linestyle="--", linewidth=1)
        axis.set_yticks(range(len(ends)), list(ends))
        axis.set_ylim(len(ends) - 0.5, -0.5)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("eigenvalues of (J + J^T) / 2; grey: no proximal map; right of 1: prior not convex")
    text = f"Spectra, smallest to largest eigenvalue over images: {'; '.join(parts)}."
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def _draw_work(axis: Axes, turns: Numbers, work: Mapping[str, Numbers]) -> str:
    if not work:
        raise InputError("A loop needs at least one curve of work.")
    shares, parts = _increasing(turns, "turns"), []
    for i, (label, numbers) in enumerate(work.items()):
        values = _of_shape(numbers, shares.shape, f"work[{label!r}]")
        axis.plot(shares, values, label=label, color=look(i)["color"], linestyle=look(i)["linestyle"])
        axis.plot(1, values[-1], look(i)["marker"], color=look(i)["color"], markersize=8)
        parts.append(f"{label} {_beside(values)[-1]:.3g}")
    axis.axhline(0, color=REFERENCE_COLOUR, linewidth=1, linestyle=":")
    axis.set_xlabel("share of the way around")
    axis.set_title("work done so far")
    axis.legend()
    return f"Work after one turn, the circulation: {', '.join(parts)}."


def _range_of(marks: Mapping[str, Mark], ideal: Number | None) -> tuple[float, float]:
    places = [place for mark in marks.values() for place in (mark.mean, *mark.extremes)]
    places += [] if ideal is None else [ideal]
    low, high = min(places, default=0.0), max(places, default=1.0)
    margin = 0.08 * (high - low) or 0.08
    return low - margin, high + margin


def _write_outside(axis: Axes, mean: Number, row: int, limits: tuple[Number, Number] | None, colour: str) -> None:
    """A number and an arrow at the edge of an axis for a mean beyond it."""
    if limits is None or limits[0] <= mean <= limits[1]:
        return
    above = mean > limits[1]
    text = f"{mean:.2g} \u2192" if above else f"\u2190 {mean:.2g}"
    axis.text(limits[above], row, text, color=colour, fontsize=8, va="center", ha="right" if above else "left")


def _beside(values: np.ndarray) -> np.ndarray:
    """Numbers for a text, where what is rounding beside the largest of them is zero, the same in every run."""
    return np.where(np.abs(values) < 1e-4 * np.abs(values).max(), 0.0, values)


def _kind_legend(figure: DescribedFigure, kinds: Mapping[str, str]) -> None:
    handles = [
        Line2D([], [], color=KINDS[kind][0], marker=KINDS[kind][1], linestyle="", label=KINDS[kind][2])
        for kind in dict.fromkeys(kinds.values())
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _check_kinds(kinds: Mapping[str, str]) -> None:
    if not kinds or set(kinds.values()) - set(KINDS):
        raise InputError(f"Every operator needs a kind of {list(KINDS)}; got {dict(kinds)}.")


def _increasing(values: Numbers, name: str) -> np.ndarray:
    array = to_array(values, name)
    if array.ndim != 1 or len(array) < 2 or not (np.diff(array) > 0).all():
        raise InputError(f"{name} must be at least two numbers in increasing order.")
    return array


def _pairs(values: Numbers, name: str) -> np.ndarray:
    array = to_array(values, name)
    return _of_shape(array, (len(array), 2), name)


def _of_shape(values: Numbers, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = to_array(values, name)
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(f"{name} must hold finite numbers of shape {shape}; got shape {array.shape}.")
    return array
