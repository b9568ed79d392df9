"""A plot that grows while a training run goes on, and stays as its record."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from eiwork.errors import InputError
from eiwork.figures import DescribedFigure, training_curves
from eiwork.figures.arrays import Number
from eiwork.figures.training import describe_series
from eiwork.widgets.scripts import script

_HERE = Path(__file__).parent


class LivePlot(anywidget.AnyWidget):
    """One panel per quantity of a training run, redrawn while it runs.

    Use it as a context manager, so that the last values are drawn even after an interruption::

        with LivePlot({"loss": "training loss", "psnr": "PSNR (dB), monitoring only"}, title="...") as plot:
            display(plot)
            train(..., callback=plot.update)

    Args:
        quantities: keyword of `update` -> label of the panel.
        title: shown above the panels.
        log_scale: keywords drawn on a logarithmic axis; values <= 0 are left out there.
        baselines: keyword -> {name: value}, horizontal lines to compare with.
        x_label: what the steps count.
        refresh_seconds: the plot is redrawn at most once in this time (> 0); nothing is lost in between.

    Raises:
        InputError: no quantities, or unknown keywords in `log_scale` or `baselines`.
    """

    _esm = script("chart.js", "live_plot.js")
    _css = _HERE / "widgets.css"

    title = traitlets.Unicode().tag(sync=True)
    x_label = traitlets.Unicode().tag(sync=True)
    panels = traitlets.List().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        quantities: Mapping[str, str],
        *,
        title: str,
        log_scale: Sequence[str] = (),
        baselines: Mapping[str, Mapping[str, Number]] | None = None,
        x_label: str = "training step",
        refresh_seconds: Number = 0.5,
    ) -> None:
        self._quantities = dict(quantities)
        self._log_scale = tuple(log_scale)
        self._baselines = {key: dict(lines) for key, lines in (baselines or {}).items()}
        unknown = (set(self._log_scale) | set(self._baselines)) - set(self._quantities)
        if not self._quantities or unknown or not refresh_seconds > 0:
            raise InputError(
                "LivePlot needs at least one quantity, log_scale and baselines that name quantities, and "
                f"refresh_seconds > 0; got {list(self._quantities)}, unknown: {sorted(unknown)}, {refresh_seconds}."
            )
        self._points: dict[str, list[tuple[float, float]]] = {key: [] for key in self._quantities}
        self._refresh_seconds = refresh_seconds
        self._last_draw = -math.inf
        super().__init__(title=title, x_label=x_label)
        self.draw()

    def update(self, step: int, **values: Number) -> None:
        """Add the values measured at this step; a value that is not finite leaves a gap.

        Raises `InputError` for a keyword that is not among the quantities.
        """
        unknown = set(values) - set(self._quantities)
        if unknown:
            raise InputError(f"LivePlot has no quantity {sorted(unknown)}; it has {list(self._quantities)}.")
        for key, value in values.items():
            drawable = math.isfinite(value) and (value > 0 or key not in self._log_scale)
            self._points[key].append((float(step), float(value) if drawable else math.nan))
        if time.monotonic() - self._last_draw >= self._refresh_seconds:
            self.draw()

    def draw(self) -> None:
        """Send every point to the page now."""
        self._last_draw = time.monotonic()
        self.panels = [
            {
                "label": label,
                "log": key in self._log_scale,
                # JSON has no NaN: a gap is null.
                "points": [[x, None if math.isnan(y) else y] for x, y in self._points[key]],
                "baselines": [{"name": n, "value": float(v)} for n, v in self._baselines.get(key, {}).items()],
            }
            for key, label in self._quantities.items()
        ]
        self.alt = self._text()

    def _text(self) -> str:
        parts = []
        for key in self._drawn():
            steps, values = np.array([point for point in self._points[key] if not math.isnan(point[1])]).T
            parts.append(describe_series(self._quantities[key], steps, values))
        return f"{self.title}. " + ("; ".join(parts) if parts else "No values yet") + "."

    def _drawn(self) -> list[str]:
        return [key for key, points in self._points.items() if any(not math.isnan(y) for _, y in points)]

    def figure(self) -> DescribedFigure:
        """Return the plot as a static figure with its alternative text; `InputError` before the first value."""
        keys = self._drawn()
        if not keys:
            raise InputError("The plot has no values yet; call update(step, name=value) first.")
        steps = sorted({x for points in self._points.values() for x, _ in points})
        columns = {key: dict(self._points[key]) for key in keys}
        return training_curves(
            steps,
            {self._quantities[key]: [columns[key].get(step, math.nan) for step in steps] for key in keys},
            log_scale=[self._quantities[key] for key in keys if key in self._log_scale],
            baselines={self._quantities[key]: self._baselines[key] for key in keys if key in self._baselines},
            x_label=self.x_label,
            description=f"{self.title}.",
        )

    def __enter__(self) -> "LivePlot":
        return self

    def __exit__(self, *exception: object) -> None:
        self.draw()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and a text that is the same in every run, whatever has been drawn so far."""
        base = super()._repr_mimebundle_(**kwargs)
        data, metadata = base if base is not None else ({}, {})
        data["text/plain"] = f"{self.title}: {', '.join(self._quantities.values())} against {self.x_label}"
        return data, metadata
