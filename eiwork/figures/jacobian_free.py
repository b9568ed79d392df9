"""Exact and Jacobian-free gradients side by side: two fields of arrows on a loss of two weights."""

from collections.abc import Mapping

import numpy as np

from eiwork.figures.arrays import Number, Numbers, require, to_array
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.proximal import of_shape
from eiwork.figures.style import REFERENCE_COLOUR, look, style


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
) -> DescribedFigure:
    """Where gradients point on a loss of two weights, and how two of them compare along the spectral radius.

    Left: contours of the loss (n, m) over weights (m,) and (n,); arrows kind -> (k, 2), drawn of one length at points
    (k, 2); paths kind -> (l, 2), ending in a large marker; places name -> (2,) as labelled dots. Right: cosines
    and norm_ratios, place -> (r,), over radii (r,), with a line at the current radius, that of the left panel.
    InputError for shapes that disagree, kinds without a path, or places that are not the same everywhere.
    """
    first, second = (to_array(values, "weights") for values in weights)
    surface = of_shape(loss, (len(second), len(first)), "loss")
    starts = of_shape(points, (None, 2), "points")
    kinds, at_places = (arrows, paths), (places, cosines, norm_ratios)
    require(
        arrows.keys() == paths.keys() and places.keys() == cosines.keys() == norm_ratios.keys() and len(arrows) > 0,
        "descent_directions needs arrows and a path for every kind, and a cosine and a norm ratio for every place; "
        f"got kinds {[list(each) for each in kinds]}, places {[list(each) for each in at_places]}.",
    )
    x = to_array(radii, "radii")
    figure, axes = new_figure(1, 3, size=(10.2, 3.7), width_ratios=[1.45, 1.0, 1.0])
    axis = axes[0, 0]
    parts = []
    with style():
        axis.contour(first, second, np.sqrt(surface), levels=12, colors="#bbbbbb", linewidths=0.8, zorder=0)
        for i, kind in enumerate(arrows):
            colour, path = look(i)["color"], of_shape(paths[kind], (None, 2), f"paths[{kind!r}]")
            vectors = of_shape(arrows[kind], starts.shape, f"arrows[{kind!r}]")
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            directions = vectors / np.where(lengths > 0, lengths, 1.0)
            # Where two directions agree, the one below still shows: it is wider.
            axis.quiver(
                *starts.T, *directions.T, color=colour, angles="xy", scale=14, width=0.011 / (1 + i), zorder=2 + i
            )
            axis.plot(*path.T, color=colour, linestyle=look(i)["linestyle"], label=kind)
            axis.plot(*path[-1], look(i)["marker"], color=colour, markersize=9, markeredgecolor="white")
            parts.append(f"{kind} ends at ({path[-1][0]:.2f}, {path[-1][1]:.2f})")
        for name, place in places.items():
            at = of_shape(place, (2,), f"places[{name!r}]")
            axis.plot(*at, "o", color="black", markersize=5, zorder=6)
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
            axis.annotate(name, at, xytext=(6, 6), textcoords="offset points", weight="bold", bbox=box, zorder=6)
        axis.set(xlim=(first[0], first[-1]), ylim=(second[0], second[-1]))
        axis.set(xlabel="first weight", ylabel="second weight", title=f"descent at spectral radius {current:.3g}")
        axis.legend(loc="lower right")
        titles = "cosine with the exact gradient", "norm, relative to exact"
        for axis, title, curves in zip(axes[0, 1:], titles, (cosines, norm_ratios), strict=True):
            for i, (name, numbers) in enumerate(curves.items(), start=2):
                y = of_shape(numbers, x.shape, f"{title} at {name}")
                axis.plot(x, y, color=look(i)["color"], linestyle=look(i)["linestyle"], label=f"at {name}")
                here = float(np.interp(current, x, y))
                axis.plot(current, here, "o", color=look(i)["color"])
                parts.append(f"{title} at {name}: {here:.2f}")
            axis.axvline(current, color=REFERENCE_COLOUR, linestyle=":")
            axis.set(xlabel="spectral radius", title=title)
        axes[0, 1].set_ylim(-1.08, 1.08)
        axes[0, 1].axhline(0, color=REFERENCE_COLOUR, linewidth=1)
        axes[0, 1].legend(loc="lower left")
    figure.alt_text = f"Descent on a loss of two weights at spectral radius {current:.3g}. {'; '.join(parts)}."
    return figure
