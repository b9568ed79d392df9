"""Exact and Jacobian-free gradients side by side: two fields of arrows on a loss, and curves against what they cost."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import REFERENCE_COLOUR, look, style
from eiwork_study.figures.study import mean_curve

Curve = tuple[Numbers, Numbers]


def descent_directions(
    weights: tuple[Numbers, Numbers],
    loss: Numbers,
    points: Numbers,
    arrows: Mapping[str, Numbers],
    paths: Mapping[str, Numbers],
    *,
    places: Mapping[str, Numbers],
    radii: Numbers,
    cosines: Mapping[str, Numbers],
    norm_ratios: Mapping[str, Numbers],
    current: Number,
    description: str = "",
) -> DescribedFigure:
    """Where gradients point on a loss of two weights, and how two of them compare along the spectral radius.

    Left: contours of the loss, arrows (of one length: their direction counts) and descent paths, a colour per kind of
    gradient; each path ends in a large marker. Right: cosine and ratio of norms at the named places, with a vertical
    line at the current radius.

    Args:
        weights: (m,) and (n,) increasing values of the first and the second weight.
        loss: (n, m), a row per value of the second weight.
        points: (k, 2) where arrows begin.
        arrows: kind -> (k, 2) descent directions there; a zero is left out.
        paths: kind -> (l, 2) weights along a descent.
        places: name -> (2,) weights, one letter or word written beside its dot.
        radii: (r,) spectral radii.
        cosines, norm_ratios: place -> (r,) values.
        current: the radius that the left panel belongs to.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: shapes that disagree, kinds without a path, or places that are not the same everywhere.
    """
    first, second = (to_array(values, "weights") for values in weights)
    surface = _of_shape(loss, (len(second), len(first)), "loss")
    starts = _of_shape(points, (len(to_array(points, "points")), 2), "points")
    if set(arrows) != set(paths) or not set(places) == set(cosines) == set(norm_ratios) or not arrows:
        raise InputError(
            "descent_directions needs arrows and a path for every kind, and a cosine and a norm ratio for every place; "
            f"got kinds {list(arrows)} and {list(paths)}, places {list(places)}, {list(cosines)}, {list(norm_ratios)}."
        )
    figure, axes = new_figure(1, 3, size=(10.2, 3.7), width_ratios=[1.45, 1.0, 1.0])
    axis = axes[0, 0]
    parts = []
    with style():
        axis.contour(first, second, np.sqrt(surface), levels=12, colors="#bbbbbb", linewidths=0.8, zorder=0)
        for i, kind in enumerate(arrows):
            directions = _unit_length(_of_shape(arrows[kind], starts.shape, f"arrows[{kind!r}]"))
            axis.quiver(
                *starts.T,
                *directions.T,
                color=look(i)["color"],
                angles="xy",
                scale=14,
                # Where two directions agree, the one below still shows.
                width=max(0.011 - 0.006 * i, 0.003),
                headwidth=2.2 + 1.6 * i,
                headlength=3 + 1.5 * i,
                headaxislength=2.8 + 1.4 * i,
                zorder=2 + i,
            )
            path = to_array(paths[kind], f"paths[{kind!r}]")
            path = _of_shape(path, (len(path), 2), f"paths[{kind!r}]")
            axis.plot(*path.T, color=look(i)["color"], linestyle=look(i)["linestyle"], label=kind)
            axis.plot(*path[-1], look(i)["marker"], color=look(i)["color"], markersize=9, markeredgecolor="white")
            parts.append(f"{kind} ends at ({path[-1][0]:.2f}, {path[-1][1]:.2f})")
        for name, place in places.items():
            at = _of_shape(place, (2,), f"places[{name!r}]")
            axis.plot(*at, "o", color="black", markersize=5, zorder=6)
            axis.annotate(
                name,
                at,
                xytext=(6, 6),
                textcoords="offset points",
                fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
                zorder=6,
            )
        axis.set_xlim(first[0], first[-1])
        axis.set_ylim(second[0], second[-1])
        axis.set_xlabel("first weight")
        axis.set_ylabel("second weight")
        axis.set_title(f"descent at spectral radius {current:.3g}")
        axis.legend(loc="lower right")
        parts += _against_radius(axes[0, 1], radii, cosines, current, "cosine with the exact gradient")
        parts += _against_radius(axes[0, 2], radii, norm_ratios, current, "norm, relative to exact")
        axes[0, 1].set_ylim(-1.08, 1.08)
        axes[0, 1].axhline(0, color=REFERENCE_COLOUR, linewidth=1)
        axes[0, 1].legend(loc="lower left")
    text = f"Descent on a loss of two weights at spectral radius {current:.3g}. {'; '.join(parts)}."
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def curve_panels(
    panels: Mapping[str, Mapping[str, Sequence[Curve]]],
    *,
    x_label: str,
    log_y: Collection[str] = (),
    mark: tuple[str, Number] | None = None,
    panel_size: tuple[Number, Number] = (3.7, 3.3),
    description: str = "",
) -> DescribedFigure:
    """Curves with their own x each, a panel per quantity: single seeds faint, their mean where all have values bold.

    A label looks the same in every panel.

    Args:
        panels: quantity (title of a panel) -> label -> one (x, y) pair per seed, (n,) each, x not decreasing.
        x_label: label of the x axes.
        log_y: quantities on a logarithmic axis; their values must be positive.
        mark: (label, x) of a vertical line in every panel.
        panel_size: width and height of a panel in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: no curve, lengths that disagree, x that decreases, or values that an axis cannot show.
    """
    if not panels or not all(curves and all(curves.values()) for curves in panels.values()):
        raise InputError("curve_panels needs at least one panel, with a curve for every label.")
    if set(log_y) - set(panels):
        raise InputError(f"log_y names {sorted(set(log_y) - set(panels))}; the panels are {list(panels)}.")
    labels = list(dict.fromkeys(label for curves in panels.values() for label in curves))
    width, height = panel_size
    figure, axes = new_figure(1, len(panels), size=(0.5 + width * len(panels), height))
    parts = []
    with style():
        for axis, (quantity, curves) in zip(axes.flat, panels.items(), strict=True):
            ends = []
            for label, seeds in curves.items():
                looks = look(labels.index(label))
                pairs = [_curve(x, y, f"{quantity}, {label}", positive=quantity in log_y) for x, y in seeds]
                for x, y in pairs if len(pairs) > 1 else ():
                    axis.plot(x, y, color=looks["color"], linestyle="-", alpha=0.3, linewidth=0.8)
                x, y = mean_curve(pairs)
                axis.plot(x, y, label=label, **looks)
                ends.append(f"{label} {y[0]:.3g} at {x[0]:.3g}, {y[-1]:.3g} at {x[-1]:.3g}")
            if mark is not None:
                axis.axvline(mark[1], color=REFERENCE_COLOUR, linestyle=":", label=mark[0])
                ends.append(f"{mark[0]} at {mark[1]:.3g}")
            axis.set_yscale("log" if quantity in log_y else "linear")
            axis.set_xlabel(x_label)
            axis.set_title(quantity)
            parts.append(f"{quantity}: {'; '.join(ends)}")
        if len(panels) > 1 and len(labels) > 1:
            handles, names = axes.flat[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside upper center", ncols=len(names))
        elif len(labels) > 1 or mark is not None:
            axes.flat[0].legend()
    figure.alt_text = f"{description.strip()} Curves against {x_label}. {'. '.join(parts)}.".strip()
    return figure


def _against_radius(
    axis: Axes, radii: Numbers, curves: Mapping[str, Numbers], current: Number, title: str
) -> list[str]:
    x, parts = to_array(radii, "radii"), []
    for i, (name, numbers) in enumerate(curves.items(), start=2):
        y = _of_shape(numbers, x.shape, f"{title} at {name}")
        axis.plot(x, y, color=look(i)["color"], linestyle=look(i)["linestyle"], label=f"at {name}")
        here = float(np.interp(current, x, y))
        axis.plot(current, here, "o", color=look(i)["color"])
        parts.append(f"{title} at {name}: {here:.2f}")
    axis.axvline(current, color=REFERENCE_COLOUR, linestyle=":")
    axis.set_xlabel("spectral radius")
    axis.set_title(title)
    return parts


def _of_shape(numbers: Numbers, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = to_array(numbers, name)
    if array.shape != shape or array.size == 0 or not np.isfinite(array).all():
        raise InputError(f"{name} must hold finite numbers of shape {shape}; it has shape {array.shape}.")
    return array


def _unit_length(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _curve(x: Numbers, y: Numbers, name: str, *, positive: bool) -> tuple[np.ndarray, np.ndarray]:
    positions, values = to_array(x, name), to_array(y, name)
    if positions.ndim != 1 or positions.size == 0 or positions.shape != values.shape:
        raise InputError(f"{name}: x has shape {positions.shape} and y {values.shape}; both need (n,).")
    finite = np.isfinite(positions).all() and np.isfinite(values).all()
    if not finite or (np.diff(positions) < 0).any() or (positive and (values <= 0).any()):
        raise InputError(
            f"{name}: every value must be finite, x must not decrease, and a logarithmic axis needs y > 0."
        )
    return positions, values
