"""Curves: residuals of a solver, any quantity against another, those of a training run; methods compared."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.figures.arrays import Number, Numbers, require, to_array, to_numbers
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, look, style


@style()
def convergence(
    traces: Sequence[Numbers],
    labels: Sequence[str],
    *,
    tolerance: Number | None = None,
    x_label: str = "evaluations of F",
    y_label: str = "relative residual",
    description: str = "",
) -> DescribedFigure:
    """Residual curves on a logarithmic axis, the n-th value at evaluation n = 1, 2, ..., and a tolerance.

    A trace is (n,), or (n, batch) like `Solution.trace`: the median over the batch is drawn, its range as a band. NaN
    (a sample at rest) and zeros are left out. Raises `InputError` when counts disagree or nothing can be drawn.
    """
    require(0 < len(traces) == len(labels), f"Give one label per trace; got {len(labels)} for {len(traces)} traces.")
    require(tolerance is None or tolerance > 0, f"tolerance is {tolerance}; it must be positive.")
    figure, axes = new_figure()
    axis, parts = axes[0, 0], []
    for i, (trace, label) in enumerate(zip(traces, labels, strict=True)):
        values = to_array(trace, f"traces[{i}]")
        fits = values.ndim in (1, 2) and values.size > 0
        require(fits, f"traces[{i}] has shape {values.shape}; give (n,) or (n, batch) residuals with n >= 1.")
        values = values.reshape(len(values), -1)
        known = np.ma.masked_where(~(np.isfinite(values) & (values > 0)), values)
        require(known.count() > 0, f"traces[{i}] holds no positive finite residual, so there is nothing to draw.")
        middle, lowest, highest = (of(known, axis=1).filled(np.nan) for of in (np.ma.median, np.ma.min, np.ma.max))
        steps = np.arange(1, len(values) + 1)
        axis.semilogy(steps, middle, label=label, markevery=max(1, len(steps) // 12), **look(i))
        if not np.array_equal(lowest, highest, equal_nan=True):
            axis.fill_between(steps, lowest, highest, color=look(i)["color"], alpha=0.15, linewidth=0)
        seen = middle[np.isfinite(middle)]
        parts.append(f"{label}: {seen[0]:.2g} at the start, {seen[-1]:.2g} after {len(middle)}")
    if tolerance is not None:
        axis.axhline(tolerance, color=REFERENCE_COLOUR, linestyle=":", label=f"tolerance {tolerance:.0e}")
        parts.append(f"the tolerance is {tolerance:.0e}")
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.legend()
    text = f"Curves of {y_label} against {x_label} on a logarithmic axis. {'; '.join(parts)}."
    return figure.described(description, text)


@style()
def lines(
    x: Numbers,
    series: Mapping[str, Numbers],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    description: str = "",
) -> DescribedFigure:
    """Several quantities, label -> (n,), against the same x (n,), with markers; NaN leaves a gap.

    Raises `InputError` for lengths that disagree, and for values <= 0 on a logarithmic axis.
    """
    positions = to_numbers(x, "x", positive=log_x)
    require(bool(series), "lines needs at least one series.")
    figure, axes = new_figure()
    axis, parts = axes[0, 0], []
    for i, (label, numbers) in enumerate(series.items()):
        values = to_numbers(numbers, f"series[{label!r}]", len(positions), positive=log_y, gaps=True)
        axis.plot(positions, values, label=label, **look(i))
        places, own = positions[np.isfinite(values)], values[np.isfinite(values)]
        parts.append(f"{label}: {own[0]:.3g} at {places[0]:.3g}, {own[-1]:.3g} at {places[-1]:.3g}")
    scales = {"xscale": "log" if log_x else "linear", "yscale": "log" if log_y else "linear"}
    axis.set(**scales, xlabel=x_label, ylabel=y_label)
    if len(series) > 1:
        axis.legend()
    return figure.described(description, f"Curves of {y_label} against {x_label}. {'; '.join(parts)}.")


@style()
def training_curves(
    steps: Numbers, series: Mapping[str, Numbers], *, log_scale: Sequence[str] = (), description: str = ""
) -> DescribedFigure:
    """Each quantity of a training run, name -> (n,), in a panel of its own; NaN where it was not measured.

    Quantities in `log_scale` have a logarithmic axis. Raises `InputError` for lengths that disagree, unknown names, or
    a quantity that cannot be drawn.
    """
    positions = to_numbers(steps, "steps")
    require(bool(series), "training_curves needs at least one quantity.")
    unknown = sorted(set(log_scale) - set(series))
    require(not unknown, f"log_scale names unknown quantities {unknown}; known: {list(series)}.")
    figure, axes = new_figure(1, len(series), size=(0.6 + 3.6 * len(series), 3.0))
    parts = []
    for i, (axis, (name, numbers)) in enumerate(zip(axes.flat, series.items(), strict=True)):
        values = to_numbers(numbers, f"series[{name!r}]", len(positions), positive=name in log_scale, gaps=True)
        seen = np.isfinite(values)
        marker = "o" if seen.sum() < 30 else ""
        axis.plot(positions[seen], values[seen], color=look(i)["color"], marker=marker, label=name)
        parts.append(describe_series(name, positions[seen], values[seen]))
        axis.set(xlabel="training step", title=name, yscale="log" if name in log_scale else "linear")
    return figure.described(description, f"Training curves. {'; '.join(parts)}.")


def describe_series(name: str, steps: np.ndarray, values: np.ndarray) -> str:
    """Say where a curve starts and ends: "loss: 1 at step 0, 0.25 at step 80"; (n,) finite values, n >= 1."""
    return f"{name}: {values[0]:.4g} at step {steps[0]:.0f}, {values[-1]:.4g} at step {steps[-1]:.0f}"


@style()
def comparison(
    labels: Sequence[str],
    centres: Numbers,
    *,
    points: Sequence[Numbers] | None = None,
    quantity: str = "PSNR (dB)",
    reference: tuple[str, Number] | None = None,
    description: str = "",
) -> DescribedFigure:
    """One row per method on a free axis: a dot at its centre, faint dots for its points.

    n labels, (n,) centres, n lists of points, a (label, value) of a vertical line. Raises `InputError` for counts that
    disagree and values that are not finite.
    """
    n = len(labels)
    require(n > 0, "comparison needs at least one label.")
    middle = to_numbers(centres, "centres", n)
    require(points is None or len(points) == n, f"points has {len(points or ())} lists for {n} methods.")
    figure, axes = new_figure(size=(6.4, 1.1 + 0.42 * n))
    axis, parts = axes[0, 0], []
    for i, label in enumerate(labels):
        colour = PALETTE[i % len(PALETTE)]
        if points is not None:
            values = to_array(points[i], f"points[{i}]").ravel()
            # Spread in a fixed pattern, not at random: the same numbers give the same picture.
            offsets = 0.16 * np.sin(2.4 * np.arange(values.size))
            axis.plot(values, i + offsets, ".", color=colour, alpha=0.35, markersize=4)
        axis.plot(middle[i], i, "o", color=colour, markersize=7, markeredgecolor="white")
        parts.append(f"{label} {middle[i]:.4g}")
    axis.set_yticks(np.arange(n), [_wrapped(label) for label in labels])
    axis.set_ylim(n - 0.5, -0.5)
    if reference is not None:
        name, value = reference
        axis.axvline(value, color=REFERENCE_COLOUR, linestyle="--")
        axis.text(value, 1.01, name, transform=axis.get_xaxis_transform(), ha="center", fontsize=9)
        parts.append(f"{name} {value:.4g} as a reference line")
    axis.set_xlabel(_wrapped(quantity))
    axis.grid(axis="y", visible=False)
    return figure.described(description, f"Comparison in {quantity}: {'; '.join(parts)}.")


def _wrapped(text: str) -> str:
    """Lines of at most 40 characters: two of them fit a row, and leave half of the width to the values."""
    return "\n".join(textwrap.fill(line, 40) for line in text.splitlines())
