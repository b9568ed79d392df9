"""Curves: residuals of a solver, any quantity against another, and the quantities of a training run."""

from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.figures.arrays import Number, Numbers, require, to_array, to_numbers
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import REFERENCE_COLOUR, look, style


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
    axis = axes[0, 0]
    parts = []
    with style():
        for i, (trace, label) in enumerate(zip(traces, labels, strict=True)):
            values = to_array(trace, f"traces[{i}]")
            fits = values.ndim in (1, 2) and values.size > 0
            require(fits, f"traces[{i}] has shape {values.shape}; give (n,) or (n, batch) residuals with n >= 1.")
            values = values.reshape(len(values), -1)
            drawn = (np.isfinite(values) & (values > 0)).any(axis=1)
            require(drawn.any(), f"traces[{i}] holds no positive finite residual, so there is nothing to draw.")
            rows = np.where(np.isfinite(values) & (values > 0), values, np.nan)[drawn]
            steps, summary = np.arange(1, len(values) + 1), np.full((3, len(values)), np.nan)
            summary[:, drawn] = np.nanmedian(rows, axis=1), np.nanmin(rows, axis=1), np.nanmax(rows, axis=1)
            middle, lowest, highest = summary
            axis.semilogy(steps, middle, label=label, markevery=max(1, len(steps) // 12), **look(i))
            if not np.array_equal(lowest, highest, equal_nan=True):
                axis.fill_between(steps, lowest, highest, color=look(i)["color"], alpha=0.15, linewidth=0)
            seen = middle[drawn]
            parts.append(f"{label}: {seen[0]:.2g} at the start, {seen[-1]:.2g} after {len(middle)}")
        if tolerance is not None:
            axis.axhline(tolerance, color=REFERENCE_COLOUR, linestyle=":", label=f"tolerance {tolerance:.0e}")
            parts.append(f"the tolerance is {tolerance:.0e}")
        axis.set(xlabel=x_label, ylabel=y_label)
        axis.legend()
    text = f"Curves of {y_label} against {x_label} on a logarithmic axis. {'; '.join(parts)}."
    return figure.described(description, text)


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
    axis = axes[0, 0]
    parts = []
    with style():
        for i, (label, numbers) in enumerate(series.items()):
            values = to_numbers(numbers, f"series[{label!r}]", len(positions), positive=log_y, gaps=True)
            axis.plot(positions, values, label=label, **look(i))
            places, own = positions[np.isfinite(values)], values[np.isfinite(values)]
            parts.append(f"{label}: {own[0]:.3g} at {places[0]:.3g}, {own[-1]:.3g} at {places[-1]:.3g}")
        axis.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
        axis.set(xlabel=x_label, ylabel=y_label)
        if len(series) > 1:
            axis.legend()
    return figure.described(description, f"Curves of {y_label} against {x_label}. {'; '.join(parts)}.")


def training_curves(
    steps: Numbers,
    series: Mapping[str, Numbers],
    *,
    log_scale: Sequence[str] = (),
    baselines: Mapping[str, Mapping[str, Number]] | None = None,
    description: str = "",
) -> DescribedFigure:
    """Each quantity of a training run, name -> (n,), in a panel of its own; NaN where it was not measured.

    Quantities in `log_scale` have a logarithmic axis; baselines: quantity -> {name: value}, horizontal lines. Raises
    `InputError` for lengths that disagree, unknown names, or a quantity that cannot be drawn.
    """
    positions, levels = to_numbers(steps, "steps"), baselines or {}
    require(bool(series), "training_curves needs at least one quantity.")
    unknown = sorted((set(log_scale) | set(levels)) - set(series))
    require(not unknown, f"log_scale or baselines name unknown quantities {unknown}; known: {list(series)}.")
    figure, axes = new_figure(1, len(series), size=(0.6 + 3.6 * len(series), 3.0))
    parts = []
    with style():
        for i, (axis, (name, numbers)) in enumerate(zip(axes.flat, series.items(), strict=True)):
            values = to_numbers(numbers, f"series[{name!r}]", len(positions), positive=name in log_scale, gaps=True)
            seen = np.isfinite(values)
            marker = "o" if seen.sum() < 30 else ""
            axis.plot(positions[seen], values[seen], color=look(i)["color"], marker=marker, label=name)
            parts.append(describe_series(name, positions[seen], values[seen]))
            axis.set(xlabel="training step", title=name, yscale="log" if name in log_scale else "linear")
            for k, (label, level) in enumerate(levels.get(name, {}).items()):
                axis.axhline(level, color=REFERENCE_COLOUR, linestyle=("--", ":", "-.")[k % 3], label=label)
                axis.legend()
                parts.append(f"{label}: {level:.4g}")
    return figure.described(description, f"Training curves. {'; '.join(parts)}.")


def describe_series(name: str, steps: np.ndarray, values: np.ndarray) -> str:
    """Say where a curve starts and ends: "loss: 1 at step 0, 0.25 at step 80"; (n,) finite values, n >= 1."""
    return f"{name}: {values[0]:.4g} at step {steps[0]:.0f}, {values[-1]:.4g} at step {steps[-1]:.0f}"
