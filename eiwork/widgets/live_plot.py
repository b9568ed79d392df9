"""A plot that grows while a training run goes on, and stays as its record."""

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from eiwork.figures.arrays import Number, require
from eiwork.figures.curves import describe_series
from eiwork.widgets.page import PageWidget, script


class LivePlot(PageWidget):
    """One panel per quantity of a training run, keyword of `update` -> label, redrawn while it runs.

    Use it as a context manager, so that the last values are drawn even after an interruption::

        with LivePlot({"loss": "training loss", "psnr": "PSNR (dB), monitoring only"}, title="...") as plot:
            display(plot)
            train(..., on_step=plot.update)

    Keywords in `log_scale` have a logarithmic axis (values <= 0 are left out there); baselines: keyword -> {name:
    value}, horizontal lines. Redrawn at most once in `refresh_seconds`; nothing is lost in between. Raises `InputError`
    for no quantities, unknown keywords, or a time that is not positive.
    """

    _esm = script("chart.js", "live_plot.js")

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
        require(
            bool(self._quantities) and not unknown and refresh_seconds > 0,
            "LivePlot needs at least one quantity, log_scale and baselines that name quantities, and "
            f"refresh_seconds > 0; got {list(self._quantities)}, unknown: {sorted(unknown)}, {refresh_seconds}.",
        )
        self._points: dict[str, list[tuple[float, float]]] = {key: [] for key in self._quantities}
        self._refresh_seconds = refresh_seconds
        self._last_draw = -math.inf
        super().__init__(title=title, x_label=x_label)
        self.draw()

    def update(self, step: int, **values: Number) -> None:
        """Add the values measured at this step; one that is not finite leaves a gap, an unknown one is an error."""
        unknown = sorted(set(values) - set(self._quantities))
        require(not unknown, f"LivePlot has no quantity {unknown}; it has {list(self._quantities)}.")
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
        for key, points in self._points.items():
            drawn = np.array([point for point in points if not math.isnan(point[1])])
            if len(drawn):
                parts.append(describe_series(self._quantities[key], *drawn.T))
        return f"{self.title}. " + ("; ".join(parts) if parts else "No values yet") + "."

    def __enter__(self) -> "LivePlot":
        return self

    def __exit__(self, *exception: object) -> None:
        self.draw()

    def _stand_in(self) -> tuple[str, None]:
        return f"{self.title}: {', '.join(self._quantities.values())} against {self.x_label}", None
