"""The plot of a running training, without a browser."""

import json
import math

import pytest

from eiwork.errors import InputError
from eiwork.widgets import LivePlot, live_plot


def plot(**options) -> LivePlot:
    return LivePlot({"loss": "training loss", "psnr": "PSNR (dB)"}, title="A run", **options)


def test_points_reach_the_page_at_the_latest_at_the_end_of_an_interrupted_run(monkeypatch):
    monkeypatch.setattr(live_plot, "REFRESH_SECONDS", 1e6)
    live = plot()

    def interrupted_run() -> None:
        with live:
            live.update(0, loss=1.0)
            live.update(1, loss=0.5, psnr=20.0)
            assert live.panels[0]["points"] == [], "within the refresh time nothing is sent"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_run()
    assert live.panels[0]["points"] == [[0.0, 1.0], [1.0, 0.5]]
    assert live.panels[1]["points"] == [[1.0, 20.0]]
    assert live.alt == "A run. training loss: 1 at step 0, 0.5 at step 1; PSNR (dB): 20 at step 1, 20 at step 1."


def test_after_the_refresh_time_a_point_is_drawn_at_once(monkeypatch):
    monkeypatch.setattr(live_plot, "REFRESH_SECONDS", 0.0)
    live = plot()
    live.update(0, loss=1.0)
    assert live.panels[0]["points"] == [[0.0, 1.0]]


def test_values_that_cannot_be_drawn_leave_gaps_and_never_stop_the_run():
    live = plot(log_scale=["loss"])
    for step, loss in enumerate([1.0, math.nan, -0.5, math.inf, 0.1]):
        live.update(step, loss=loss, psnr=-1.0)
    live.draw()
    assert [panel["log"] for panel in live.panels] == [True, False]
    assert [y for _, y in live.panels[0]["points"]] == [1.0, None, None, None, 0.1]
    assert [y for _, y in live.panels[1]["points"]] == [-1.0] * 5, "only a logarithmic axis needs positive values"
    json.dumps(live.panels, allow_nan=False)


def test_its_text_is_the_same_before_and_after_the_run():
    live = plot()
    before = live._repr_mimebundle_()[0]["text/plain"]
    live.update(0, loss=1.0)
    live.draw()
    after = live._repr_mimebundle_()[0]["text/plain"]
    assert after == before == "A run: training loss, PSNR (dB) against training step"
    assert plot().alt == "A run. No values yet."


def test_unknown_quantities_are_refused():
    for attempt, told in (
        (lambda: plot().update(0, nfe=3.0), "no quantity"),
        (lambda: plot(log_scale=["nfe"]), "unknown"),
        (lambda: LivePlot({}, title="empty"), "at least one quantity"),
    ):
        with pytest.raises(InputError, match=told):
            attempt()
