"""A plot that grows while a training run goes on, and stays as its record."""

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from eiwork.figures.arrays import Number, require
from eiwork.figures.curves import describe_series
from eiwork.widgets.page import PageWidget, script

REFRESH_SECONDS = 0.5


class LivePlot(PageWidget):
    """One panel per quantity of a training run, keyword of `update` -> label, redrawn while it runs.

    Use it as a context manager, so that the last values are drawn even after an interruption::

        with LivePlot({"loss": "training loss", "psnr": "PSNR (dB), monitoring only"}, title="...") as plot:
            display(plot)
            train(..., on_step=plot.update)

    Keywords in `log_scale` have a logarithmic axis (values <= 0 are left out there). Redrawn at most twice a second;
    nothing is lost in between. Raises `InputError` for no quantities or unknown keywords.
    """

    _esm = script("chart.js", "live_plot.js")

    x_label = traitlets.Unicode("training step").tag(sync=True)
    panels = traitlets.List().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def __init__(self, quantities: Mapping[str, str], *, title: str, log_scale: Sequence[str] = ()) -> None:
        unknown = sorted(set(log_scale) - set(quantities))
        told = f"LivePlot needs at least one quantity, and log_scale names quantities; got {list(quantities)}, "
        require(len(quantities) > 0 and not unknown, f"{told}unknown: {unknown}.")
        self._quantities, self._log_scale = dict(quantities), tuple(log_scale)
        self._points: dict[str, list[tuple[float, float]]] = {key: [] for key in quantities}
        super().__init__(title=title)
        self.draw()

    def update(self, step: int, **values: Number) -> None:
        """Add the values measured at this step; one that is not finite leaves a gap, an unknown one is an error."""
        unknown = sorted(set(values) - set(self._quantities))
        require(not unknown, f"LivePlot has no quantity {unknown}; it has {list(self._quantities)}.")
        for key, value in values.items():
            drawable = math.isfinite(value) and (value > 0 or key not in self._log_scale)
            self._points[key].append((float(step), float(value) if drawable else math.nan))
        if time.monotonic() - self._last_draw >= REFRESH_SECONDS:
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
