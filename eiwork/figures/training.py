"""Quantities of a training run against its step, one panel each."""

from collections.abc import Mapping, Sequence

import numpy as np

from eiwork.errors import InputError
from eiwork.figures.arrays import Number, Numbers, to_array
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import REFERENCE_COLOUR, look, style


def training_curves(
    steps: Numbers,
    series: Mapping[str, Numbers],
    *,
    log_scale: Sequence[str] = (),
    baselines: Mapping[str, Mapping[str, Number]] | None = None,
    x_label: str = "training step",
    description: str = "",
) -> DescribedFigure:
    """Draw each quantity of a training run in its own panel.

    Args:
        steps: the n steps.
        series: quantity -> n values; NaN where a quantity was not measured at that step.
        log_scale: quantities drawn on a logarithmic axis (their values must be positive).
        baselines: quantity -> {name: value}, horizontal lines to compare with.
        description: a sentence put in front of the alternative text.

    Raises:
        InputError: lengths that disagree, unknown names, or a quantity without a finite value.
    """
    positions = to_array(steps, "steps")
    if positions.ndim != 1 or positions.size == 0 or not series:
        raise InputError("training_curves needs steps of shape (n,), n >= 1, and at least one quantity.")
    baselines = baselines or {}
    unknown = (set(log_scale) | set(baselines)) - set(series)
    if unknown:
        raise InputError(f"log_scale or baselines name unknown quantities {sorted(unknown)}; known: {list(series)}.")
    figure, axes = new_figure(1, len(series), size=(0.6 + 3.6 * len(series), 3.0))
    parts = []
    with style():
        for i, (axis, (name, numbers)) in enumerate(zip(axes.flat, series.items(), strict=True)):
            values = to_array(numbers, f"series[{name!r}]")
            if values.shape != positions.shape:
                raise InputError(f"series[{name!r}] has shape {values.shape}, steps have {positions.shape}.")
            seen = np.isfinite(values)
            if name in log_scale and (values[seen] <= 0).any():
                raise InputError(f"{name} holds values <= 0, which a logarithmic axis cannot show.")
            if not seen.any():
                raise InputError(f"{name} holds no finite value, so there is nothing to draw.")
            axis.set_yscale("log" if name in log_scale else "linear")
            axis.plot(
                positions[seen],
                values[seen],
                color=look(i)["color"],
                marker="o" if seen.sum() < 30 else "",
                label=name,
            )
            parts.append(describe_series(name, positions[seen], values[seen]))
            for k, (label, level) in enumerate(baselines.get(name, {}).items()):
                axis.axhline(level, color=REFERENCE_COLOUR, linestyle=("--", ":", "-.")[k % 3], label=label)
                parts.append(f"{label}: {level:.4g}")
            axis.set_xlabel(x_label)
            axis.set_title(name)
            if baselines.get(name):
                axis.legend()
    figure.alt_text = f"{description.strip()} Training curves. {'; '.join(parts)}.".strip()
    return figure


def describe_series(name: str, steps: np.ndarray, values: np.ndarray) -> str:
    """Say where a curve starts and ends: "loss: 1 at step 0, 0.25 at step 80"; (n,) finite values, n >= 1."""
    return f"{name}: {values[0]:.4g} at step {steps[0]:.0f}, {values[-1]:.4g} at step {steps[-1]:.0f}"
