"""What a fixed-point iteration does: its path on a line, one step of a solver on an image, the spectrum behind it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import NullLocator
from torch import Tensor

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array, to_picture
from eiwork.figures.described import DescribedFigure, blank, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, look, style


def cobweb(
    positions: Numbers,
    values: Sequence[Numbers],
    iterates: Sequence[Numbers],
    titles: Sequence[str],
    *,
    panel_size: Number = 2.9,
    description: str = "",
) -> DescribedFigure:
    """Maps of one variable with the diagonal and the path z0, f(z0), f(f(z0)), ... between them, a panel each.

    Args:
        positions: (n,) increasing numbers; the axes show this range, a path may leave it.
        values: one (n,) list per panel: the map at the positions.
        iterates: one (k,) list per panel, k >= 2: z0, z1 = f(z0), ...
        titles: one per panel.
        panel_size: width of a panel in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts or lengths that disagree, positions out of order, or iterates that are not finite.
    """
    x = to_array(positions, "positions")
    if x.ndim != 1 or len(x) < 2 or not (np.diff(x) > 0).all():
        raise InputError("cobweb needs at least two positions in increasing order.")
    if not len(values) == len(iterates) == len(titles) > 0:
        raise InputError(
            f"cobweb needs a map, a path and a title per panel; got {len(values)}, {len(iterates)}, {len(titles)}."
        )
    figure, axes = new_figure(1, len(titles), size=(panel_size * len(titles), panel_size + 0.5))
    parts = []
    with style():
        for i, (axis, title) in enumerate(zip(axes.flat, titles, strict=True)):
            curve, path = to_array(values[i], f"values[{i}]"), to_array(iterates[i], f"iterates[{i}]")
            if curve.shape != x.shape:
                raise InputError(f"values[{i}] has shape {curve.shape}, positions have {x.shape}.")
            if path.ndim != 1 or len(path) < 2 or not np.isfinite(path).all():
                raise InputError(f"iterates[{i}] must be at least two finite numbers, z0 and f(z0).")
            axis.plot(x, x, color=REFERENCE_COLOUR, linestyle=":", label="z")
            axis.plot(x, curve, color=PALETTE[0], linestyle="-", label="f(z)")
            # Up or down to the curve, then across to the diagonal, and again.
            stairs = np.repeat(path, 2)
            axis.plot(
                stairs[:-1],
                stairs[1:],
                color=PALETTE[1],
                linestyle="-",
                linewidth=1.1,
                label="iterates",
            )
            axis.plot(path[0], path[0], "o", color=PALETTE[1])
            axis.set_xlim(x[0], x[-1])
            axis.set_ylim(x[0], x[-1])
            axis.set_aspect("equal")
            axis.set_title(title)
            axis.set_xlabel("z")
            parts.append(f"{title}: from {path[0]:.3g} to {path[-1]:.3g} in {len(path) - 1} iterations")
        axes[0, 0].legend(loc="best")
    figure.alt_text = f"{description.strip()} Cobweb of iterates between f(z) and z. {'; '.join(parts)}.".strip()
    return figure


def solver_step(
    images: Sequence[Numbers],
    titles: Sequence[str],
    traces: Mapping[str, Numbers],
    *,
    current: str,
    evaluation: int,
    value_range: tuple[Number, Number] = (0.0, 1.0),
    tolerance: Number | None = None,
    panel_size: Number = 2.3,
    description: str = "",
) -> DescribedFigure:
    """One step of a solver: images beside the residual curves of all solvers, the current one drawn up to here.

    Args:
        images: each (height, width) or (channel, height, width), on one grey scale; 2 channels as a magnitude.
        titles: one per image.
        traces: solver -> (n,) relative residuals, all positive.
        current: the solver whose step this is.
        evaluation: which of its evaluations, from 1.
        value_range: (black, white).
        tolerance: drawn as a horizontal line when given.
        panel_size: width of an image in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts that disagree, an unknown solver or evaluation, or residuals that are not positive.
    """
    if len(images) == 0 or len(images) != len(titles):
        raise InputError(f"solver_step needs one title per image; got {len(images)} images, {len(titles)} titles.")
    curves = {name: to_array(trace, f"traces[{name!r}]") for name, trace in traces.items()}
    if any(c.ndim != 1 or c.size == 0 or not (c > 0).all() for c in curves.values()):
        raise InputError("solver_step needs positive residuals (n,), n >= 1, for every solver.")
    if current not in curves or not 1 <= evaluation <= len(curves[current]):
        raise InputError(f"There is no evaluation {evaluation} of {current!r}; solvers are {list(curves)}.")
    if not value_range[1] > value_range[0]:
        raise InputError(f"value_range is {value_range}: its second value must exceed its first.")
    widths = [1.0] * len(images) + [1.5]
    figure, axes = new_figure(1, len(widths), size=(panel_size * sum(widths), panel_size + 0.5), width_ratios=widths)
    residual = curves[current][evaluation - 1]
    with style():
        for i, (axis, title) in enumerate(zip(axes[0, :-1], titles, strict=True)):
            axis.imshow(to_picture(images[i], f"images[{i}]"), vmin=value_range[0], vmax=value_range[1], cmap="gray")
            axis.set_title(title)
            blank(axis)
        axis = axes[0, -1]
        for i, (name, curve) in enumerate(curves.items()):
            steps = np.arange(1, len(curve) + 1)
            faint = {"color": look(i)["color"], "linestyle": look(i)["linestyle"], "linewidth": 1.0}
            axis.semilogy(steps, curve, alpha=0.35, label=None if name == current else name, **faint)
            if name == current:
                bold = faint | {"linewidth": 2.4}
                axis.semilogy(steps[:evaluation], curve[:evaluation], label=name, **bold)
                axis.semilogy(evaluation, residual, "o", color=look(i)["color"], markersize=7)
        if tolerance is not None:
            axis.axhline(tolerance, color=REFERENCE_COLOUR, linestyle=":")
        # A frame of a slider is drawn dozens of times, and minor ticks would take most of its time.
        axis.yaxis.set_minor_locator(NullLocator())
        axis.set_xlabel("evaluations of F")
        axis.set_title("relative residual")
        axis.legend(loc="upper right")
    names = ", ".join(title.replace("\n", " ") for title in titles)
    text = f"Evaluation {evaluation} of {current}: relative residual {residual:.1e}. Images: {names}."
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def spectrum(
    eigenvalues: Mapping[str, Tensor | np.ndarray], *, panel_size: Number = 3.2, description: str = ""
) -> DescribedFigure:
    """Eigenvalues in the complex plane with the unit circle, a panel each.

    Args:
        eigenvalues: label -> (n,) complex or real numbers.
        panel_size: width of a panel in inches.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: no eigenvalues, another shape, or values that are not finite.
    """
    if not eigenvalues:
        raise InputError("spectrum needs at least one set of eigenvalues.")
    figure, axes = new_figure(
        1, len(eigenvalues), size=(panel_size * len(eigenvalues), panel_size + 0.4), sharex=True, sharey=True
    )
    angles = np.linspace(0, 2 * np.pi, 200)
    parts = []
    with style():
        for i, (axis, (label, numbers)) in enumerate(zip(axes.flat, eigenvalues.items(), strict=True)):
            values = np.asarray(numbers.detach().cpu() if isinstance(numbers, Tensor) else numbers)
            if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
                raise InputError(f"The eigenvalues {label!r} must be a list (n,) of finite numbers.")
            axis.plot(np.cos(angles), np.sin(angles), color=REFERENCE_COLOUR, linestyle=":", linewidth=1.2)
            axis.plot(
                values.real,
                values.imag,
                look(i)["marker"],
                color=look(i)["color"],
                alpha=0.6,
                markeredgewidth=0,
            )
            axis.margins(0.1)
            axis.set_aspect("equal")
            axis.set_title(label)
            axis.set_xlabel("real part")
            parts.append(f"{label}: {values.size} eigenvalues, largest modulus {np.abs(values).max():.3g}")
        axes[0, 0].set_ylabel("imaginary part")
    figure.alt_text = (
        f"{description.strip()} Eigenvalues in the complex plane with the unit circle. {'; '.join(parts)}."
    ).strip()
    return figure
