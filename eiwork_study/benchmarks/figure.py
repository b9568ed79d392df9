"""The comparison as a picture: every bar as a distance from its limit."""

import matplotlib as mpl
from matplotlib.figure import Figure

from eiwork.errors import InputError
from eiwork_study.benchmarks.outcome import Bar

_MET, _NOT_MET = "#0072B2", "#D55E00"
# A figure of zero, or none at all, is drawn at the end of the axis.
_END = 1e4


def margin(bar: Bar) -> float:
    """How many times better than its limit a figure is: 1 on the limit, below 1 not met; cut off at 1e4 and 1e-4."""
    if bar.value is None:
        return 1 / _END
    if bar.limit == 0:
        return _END if bar.value <= 0 else 1 / _END
    better = bar.limit / bar.value if bar.sense == "at most" and bar.value > 0 else bar.value / bar.limit
    if bar.sense == "at most" and bar.value <= 0:
        better = _END
    return min(max(better, 1 / _END), _END)


def bars_figure(bars: list[Bar]) -> Figure:
    """One row per bar on a logarithmic axis: right of 1 it is met. Raises InputError without a bar."""
    if not bars:
        raise InputError("There is no bar to draw: run at least one axis.")
    with mpl.rc_context({"font.size": 9, "figure.facecolor": "white"}):
        figure = Figure(figsize=(8, 1.2 + 0.36 * len(bars)), layout="constrained")
        axis = figure.add_subplot()
        for row, bar in enumerate(bars):
            value = margin(bar)
            axis.plot([1, value], [row, row], color=_MET if bar.met else _NOT_MET, linewidth=3)
            axis.plot(value, row, "o" if bar.met else "X", color=_MET if bar.met else _NOT_MET, markersize=8)
        axis.set_yticks(range(len(bars)), [bar.name for bar in bars])
        axis.set_xscale("log")
        axis.axvline(1, color="#555555", linestyle="--")
        axis.invert_yaxis()
        axis.set_xlabel("times better than the bar (circle: met, cross: not met)")
    return figure
