"""Is a map a proximal map? The map of one pixel, work around a loop, curves beside images, spectra."""

from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.figures.arrays import Number, Numbers, require, to_array, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, look, style


def prox_panels(
    x: Numbers,
    phi: Numbers,
    objective: Numbers,
    z: Numbers,
    prox: Numbers,
    *,
    current: tuple[Number, Number],
    recovered: tuple[Numbers, Numbers],
) -> DescribedFigure:
    """One pixel: a prior, the objective whose minimiser its proximal map returns, and that map.

    x, phi, objective: (n,) increasing values of the pixel, the prior there, and (x - z)^2 / 2 + phi(x) for the current
    z. z, prox: (m,) increasing inputs of the map and its outputs. current: z of the objective, and its minimiser.
    recovered: places (k,) and values (k,) of the prior recovered from the map. InputError where shapes disagree.
    """
    places, inputs = (increasing(values, name) for values, name in ((x, "x"), (z, "z")))
    prior, cost = (of_shape(values, places.shape, name) for values, name in ((phi, "phi"), (objective, "objective")))
    outputs = of_shape(prox, inputs.shape, "prox")
    at = to_array(recovered[0], "recovered[0]")
    found = of_shape(recovered[1], at.shape, "recovered[1]")
    figure, ((first, second, third),) = new_figure(1, 3, size=(9.6, 3.2))
    steepest = float((np.diff(outputs) / np.diff(inputs)).max())
    with style():
        first.plot(places, prior, color=PALETTE[0], label="phi")
        first.plot(at, found, "o", color=PALETTE[1], markersize=3.5, label="recovered")
        first.set_title("prior phi(x)")
        first.legend(loc="lower left")
        second.plot(places, cost, color=PALETTE[0])
        second.plot(current[1], np.interp(current[1], places, cost), "o", color=PALETTE[1], markersize=8)
        second.axvline(current[0], color=REFERENCE_COLOUR, linestyle=":")
        second.set_title(f"(x - z)^2 / 2 + phi(x), z = {current[0]:.3g}")
        third.plot(inputs, inputs, color=REFERENCE_COLOUR, linestyle=":", label="z")
        third.plot(inputs, outputs, color=PALETTE[0], label="prox(z)")
        third.plot(*current, "o", color=PALETTE[1], markersize=8)
        third.set_title(f"proximal map, steepest slope {steepest:.3g}")
        third.legend(loc="upper left")
        for axis, label in zip((first, second, third), "xxz", strict=True):
            axis.set_xlabel(label)
    figure.alt_text = (
        f"Three panels for one pixel. The prior runs from {prior.min():.3g} to {prior.max():.3g}. The objective at "
        f"z = {current[0]:.3g} is lowest at x = {current[1]:.3g}. The proximal map's steepest slope on the grid is "
        f"{steepest:.3g}."
    )
    return figure


def loop_in_field(
    points: Numbers, arrows: Numbers, loop: Numbers, turns: Numbers, work: Mapping[str, Numbers]
) -> DescribedFigure:
    """A field in the plane with a closed loop, and the work that it does on the way around.

    points, arrows: (k, 2) the field. loop: (n, 2) points of the loop. turns: (m,) share of the way around, increasing
    from 0 to 1. work: label -> (m,) work done so far, of which the last is the circulation. InputError where shapes
    disagree.
    """
    starts, path = of_shape(points, (None, 2), "points"), of_shape(loop, (None, 2), "loop")
    vectors, shares = of_shape(arrows, starts.shape, "arrows"), increasing(turns, "turns")
    figure, ((field, curves),) = new_figure(1, 2, size=(8.4, 3.7))
    parts = []
    with style():
        field.quiver(*starts.T, *vectors.T, color=PALETTE[0], angles="xy", scale=25, width=0.005)
        field.plot(*np.vstack([path, path[:1]]).T, color=PALETTE[1])
        field.plot(*path[0], "o", color=PALETTE[1])
        field.set(aspect="equal", xlabel="first pixel", ylabel="second pixel")
        for i, (label, numbers) in enumerate(work.items()):
            values = of_shape(numbers, shares.shape, f"work[{label!r}]")
            curves.plot(shares, values, label=label, color=look(i)["color"], linestyle=look(i)["linestyle"])
            curves.plot(1, values[-1], look(i)["marker"], color=look(i)["color"], markersize=8)
            parts.append(f"{label} {_without_rounding(values)[-1]:.3g}")
        curves.axhline(0, color=REFERENCE_COLOUR, linewidth=1, linestyle=":")
        curves.set(xlabel="share of the way around", title="work done so far")
        curves.legend()
    figure.alt_text = f"A field of arrows with a loop. Work after one turn, the circulation: {', '.join(parts)}."
    return figure


def picture_and_curves(
    images: Sequence[Numbers],
    titles: Sequence[str],
    x: Numbers,
    curves: Mapping[str, Numbers],
    *,
    x_label: str,
    y_label: str,
    current: Number,
    special: Numbers = (),
) -> DescribedFigure:
    """Images, black at 0 and white at 1, beside curves with a dot at the current position.

    images: each (height, width) or (channel, height, width), 2 channels as a magnitude; a title each. x: (n,)
    increasing positions. curves: label -> (n,) values. current: the position of the images. special: positions marked
    by thin vertical lines. InputError where counts or shapes disagree.
    """
    counts = f"{len(images)} images, {len(titles)} titles, {len(curves)} curves"
    enough = len(images) == len(titles) > 0 and curves
    require(bool(enough), f"picture_and_curves needs a title per image and a curve; got {counts}.")
    positions = increasing(x, "x")
    widths = [1.0] * len(images) + [2.1]
    figure, axes = new_figure(1, len(widths), size=(10.6, 13.25 / sum(widths) + 0.3), width_ratios=widths)
    parts = []
    with style():
        for axis, image, title in zip(axes[0], images, titles, strict=False):
            axis.imshow(to_picture(image), vmin=0, vmax=1, cmap="gray")
            axis.set_title(title)
            blank(axis)
        axis = axes[0, -1]
        for place in to_array(special, "special"):
            axis.axvline(place, color="#bbbbbb", linewidth=0.8, zorder=0)
        for i, (label, numbers) in enumerate(curves.items()):
            values = of_shape(numbers, positions.shape, f"curves[{label!r}]")
            axis.plot(positions, values, label=label, **(look(i) | {"marker": ""}))
            value = float(np.interp(current, positions, values))
            axis.plot(current, value, look(i)["marker"], color=look(i)["color"], markersize=7)
            value, low, high = _without_rounding(np.array([value, values.min(), values.max()]))
            parts.append(f"{label} {value:.3g} (from {low:.3g} to {high:.3g})")
        axis.set(xlabel=x_label, ylabel=y_label)
        axis.legend()
    figure.alt_text = f"Images: {', '.join(titles)}. {y_label} at {x_label} {current:.3g}: {'; '.join(parts)}."
    return figure


def spectrum_ranges(ends: Mapping[str, tuple[Numbers, Numbers]], *, description: str = "") -> DescribedFigure:
    """From the smallest to the largest eigenvalue of (J + J^T) / 2, a line per image and a row per operator.

    ends: operator -> smallest (n,) and largest (n,) eigenvalues of n images. Grey is where no proximal map has any, the
    dashed line is 1. description: put in front of the alternative text. InputError for ends in the wrong order.
    """
    require(bool(ends), "spectrum_ranges needs at least one operator.")
    figure, axes = new_figure(size=(7.4, 1.3 + 0.36 * len(ends)))
    axis, parts = axes[0, 0], []
    with style():
        for row, (name, (low, high)) in enumerate(ends.items()):
            smallest = of_shape(low, (None,), f"smallest of {name!r}")
            largest = of_shape(high, smallest.shape, f"largest of {name!r}")
            require((smallest <= largest).all(), f"The eigenvalues of {name!r} must be pairs of smallest and largest.")
            heights = row + 0.5 * ((np.arange(len(smallest)) + 0.5) / len(smallest) - 0.5)
            for places, height in zip(zip(smallest, largest, strict=True), heights, strict=True):
                axis.plot(places, [height] * 2, "o-", color=PALETTE[row % len(PALETTE)], linewidth=1.2, markersize=3)
            parts.append(f"{name} {smallest.min():.3g} to {largest.max():.3g}")
        left, right = axis.get_xlim()
        axis.set_xlim(min(left, -0.15), max(right, 1.15))
        axis.axvspan(min(left, -0.15), 0, color="#dddddd", zorder=0)
        axis.axvline(1, color=REFERENCE_COLOUR, linestyle="--", linewidth=1)
        axis.set_yticks(range(len(ends)), list(ends))
        axis.set_ylim(len(ends) - 0.5, -0.5)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("eigenvalues of (J + J^T) / 2; grey: no proximal map; right of 1: prior not convex")
    figure.alt_text = f"{description} Spectra, smallest to largest eigenvalue over images: {'; '.join(parts)}.".strip()
    return figure


def of_shape(values: Numbers, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    """Finite numbers of a shape, of which None is any length, else InputError."""
    array = to_array(values, name)
    fits = len(shape) == array.ndim and all(n in (None, size) for n, size in zip(shape, array.shape, strict=True))
    require(fits and array.size > 0 and np.isfinite(array).all(), f"{name} must hold finite numbers of shape {shape}.")
    return array


def increasing(values: Numbers, name: str) -> np.ndarray:
    """At least two numbers in increasing order, else InputError."""
    array = to_array(values, name)
    fits = array.ndim == 1 and len(array) > 1 and (np.diff(array) > 0).all()
    require(fits, f"{name} must be at least two numbers in increasing order.")
    return array


def _without_rounding(values: np.ndarray) -> np.ndarray:
    """Numbers for a text, where what is rounding beside the largest of them is zero, the same in every run."""
    return np.where(np.abs(values) < 1e-4 * np.abs(values).max(), 0.0, values)
