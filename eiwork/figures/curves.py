"""Curves: residuals of a solver, quantities of a training run, and any quantity against another."""

from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array
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
    """Residual curves on a logarithmic axis, the n-th value drawn at evaluation n = 1, 2, ...

    Args:
        traces: one per curve: (n,) residuals, or (n, batch), e.g. `Solution.trace`, of which the median over
            the batch is drawn, with the range from the smallest to the largest as a band. NaN marks a sample
            that is no longer iterated; zeros cannot be drawn on a logarithmic axis and are left out.
        labels: one per curve.
        tolerance: drawn as a horizontal line when given.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: counts that disagree, an empty trace, a trace without a positive value, or a bad tolerance.
    """
    if len(traces) == 0 or len(traces) != len(labels):
        raise InputError(f"convergence needs one label per trace; got {len(traces)} traces, {len(labels)} labels.")
    if tolerance is not None and not tolerance > 0:
        raise InputError(f"tolerance is {tolerance}; it must be positive.")
    figure, axes = new_figure()
    axis = axes[0, 0]
    parts = []
    with style():
        for i, (trace, label) in enumerate(zip(traces, labels, strict=True)):
            middle, lowest, highest = _summary(trace, f"traces[{i}]")
            steps = np.arange(1, len(middle) + 1)
            axis.semilogy(steps, middle, label=label, markevery=max(1, len(steps) // 12), **look(i))
            if not np.array_equal(lowest, highest, equal_nan=True):
                axis.fill_between(steps, lowest, highest, color=look(i)["color"], alpha=0.15, linewidth=0)
            seen = middle[np.isfinite(middle)]
            parts.append(f"{label}: {seen[0]:.2g} at the start, {seen[-1]:.2g} after {len(middle)}")
        if tolerance is not None:
            axis.axhline(tolerance, color=REFERENCE_COLOUR, linestyle=":", label=f"tolerance {tolerance:.0e}")
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        axis.legend()
    text = f"Curves of {y_label} against {x_label} on a logarithmic axis. " + "; ".join(parts) + "."
    text += "" if tolerance is None else f" The tolerance is {tolerance:.0e}."
    figure.alt_text = f"{description.strip()} {text}".strip()
    return figure


def _summary(trace: Numbers, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = to_array(trace, name)
    if values.ndim not in (1, 2) or values.size == 0:
        raise InputError(f"{name} has shape {values.shape}; give (n,) or (n, batch) residuals with n >= 1.")
    values = values.reshape(len(values), -1)
    values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    drawn = np.isfinite(values).any(axis=1)
    if not drawn.any():
        raise InputError(f"{name} holds no positive finite residual, so there is nothing to draw.")
    rows = values[drawn]
    result = np.full((3, len(values)), np.nan)
    result[:, drawn] = np.nanmedian(rows, axis=1), np.nanmin(rows, axis=1), np.nanmax(rows, axis=1)
    return result[0], result[1], result[2]


def lines(
    x: Numbers,
    series: Mapping[str, Numbers],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    bands: Mapping[str, tuple[Numbers, Numbers]] | None = None,
    description: str = "",
) -> DescribedFigure:
    """Draw several quantities (n,) against the same x (n,), with markers.

    Args:
        x: the n positions.
        series: label -> n values; NaN leaves a gap.
        log_x, log_y: logarithmic axes; then the values must be positive.
        bands: label -> (lower, upper), each (n,), drawn as a band around the series of that label.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: lengths that disagree, an unknown band, or values <= 0 on a logarithmic axis.
    """
    positions = to_array(x, "x")
    if positions.ndim != 1 or positions.size == 0 or not series:
        raise InputError("lines needs x of shape (n,), n >= 1, and at least one series.")
    if log_x and not (positions > 0).all():
        raise InputError("x holds values <= 0, which a logarithmic axis cannot show; set log_x=False.")
    unknown = set(bands or {}) - set(series)
    if unknown:
        raise InputError(f"bands name series that do not exist: {sorted(unknown)}; series are {list(series)}.")
    figure, axes = new_figure()
    axis = axes[0, 0]
    parts = []
    with style():
        for i, (label, numbers) in enumerate(series.items()):
            values = _same_length(numbers, positions, f"series[{label!r}]", positive=log_y)
            axis.plot(positions, values, label=label, **look(i))
            if bands and label in bands:
                low, high = (
                    _same_length(edge, positions, f"bands[{label!r}]", positive=log_y) for edge in bands[label]
                )
                axis.fill_between(positions, low, high, color=look(i)["color"], alpha=0.2, linewidth=0)
            seen = np.isfinite(values)
            first, last = np.flatnonzero(seen)[[0, -1]]
            parts.append(
                f"{label}: {values[first]:.3g} at {positions[first]:.3g}, {values[last]:.3g} at {positions[last]:.3g}"
            )
        axis.set_xscale("log" if log_x else "linear")
        axis.set_yscale("log" if log_y else "linear")
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        if len(series) > 1:
            axis.legend()
    figure.alt_text = f"{description.strip()} Curves of {y_label} against {x_label}. {'; '.join(parts)}.".strip()
    return figure


def _same_length(numbers: Numbers, positions: np.ndarray, name: str, *, positive: bool) -> np.ndarray:
    values = to_array(numbers, name)
    if values.shape != positions.shape:
        raise InputError(f"{name} has shape {values.shape} but x has shape {positions.shape}.")
    if not np.isfinite(values).any():
        raise InputError(f"{name} holds no finite value, so there is nothing to draw.")
    if positive and (values[np.isfinite(values)] <= 0).any():
        raise InputError(f"{name} holds values <= 0, which a logarithmic axis cannot show; set log_y=False.")
    return values
