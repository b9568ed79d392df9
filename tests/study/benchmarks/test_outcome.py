"""Bars, tables, the figure and the data that a run writes."""

import json

import pytest
from rich.console import Console

from eiwork.errors import InputError
from eiwork_study import benchmarks as benchmarking
from eiwork_study.benchmarks.figure import margin
from eiwork_study.benchmarks.outcome import ratio

MET = benchmarking.Bar("share", 0.1, 0.15, "at most")
MISSED = benchmarking.Bar("times as fast", 1.5, 2.0, "at least")
UNKNOWN = benchmarking.Bar("never measured", None, 1.0, "at most")


def test_a_bar_is_met_on_its_side_of_the_limit():
    assert MET.met
    assert not MISSED.met
    assert not UNKNOWN.met
    assert benchmarking.Bar("on it", 2.0, 2.0, "at least").met


def test_a_missed_bar_says_so_with_its_figure():
    assert benchmarking.bar_line(MISSED).plain == "NOT met: times as fast: 1.5 (at least 2)"
    assert benchmarking.bar_line(MET).plain == "met: share: 0.1 (at most 0.15)"
    assert "-" in benchmarking.bar_line(UNKNOWN).plain


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        (MET, 1.5),
        (MISSED, 0.75),
        (UNKNOWN, 1e-4),
        (benchmarking.Bar("none more", 0.0, 0.0, "at most"), 1e4),
        (benchmarking.Bar("some more", 1.0, 0.0, "at most"), 1e-4),
        (benchmarking.Bar("less than none", -1.0, 10.0, "at most"), 1e4),
    ],
)
def test_the_margin_is_how_many_times_better_than_the_limit(bar, expected):
    assert margin(bar) == pytest.approx(expected)


def test_the_figure_has_a_row_for_each_bar():
    figure = benchmarking.bars_figure([MET, MISSED, UNKNOWN])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["share", "times as fast", "never measured"]
    with pytest.raises(InputError, match="no bar"):
        benchmarking.bars_figure([])


def test_the_table_shows_every_row():
    rows = [{"library": "eiwork", "error": 1.23456e-5}, {"library": "deepinv", "error": None}]
    outcome = benchmarking.Outcome("accuracy", "Errors", rows, [MET])
    console = Console(width=80)
    with console.capture() as capture:
        console.print(benchmarking.outcome_table(outcome))
    text = capture.get()
    assert "1.23e-05" in text
    assert "deepinv" in text


def test_the_data_of_a_run_name_machine_versions_and_verdict():
    outcome = benchmarking.Outcome("step", "A step", [{"method": "eiwork"}], [MET, MISSED], {"seed": 0})
    figures = benchmarking.as_json(benchmarking.libraries(), [outcome], quick=True)
    figures = json.loads(json.dumps(figures))
    assert figures["quick"] is True
    assert figures["all_met"] is False
    assert {"processor", "threads", "torch", "gpu"} <= figures["machine"].keys()
    assert figures["libraries"]["deepinv"].startswith("0.5")
    assert figures["axes"]["step"]["bars"][1]["met"] is False
    assert figures["axes"]["step"]["settings"] == {"seed": 0}


def test_axes_run_in_their_own_order_and_an_unknown_one_is_refused():
    assert benchmarking.check_axes(["step", "nfe"]) == ["nfe", "step"]
    assert benchmarking.check_axes([]) == list(benchmarking.AXES)
    with pytest.raises(InputError, match="'speed'"):
        benchmarking.check_axes(["speed"])


def test_ratio_needs_both_figures():
    assert ratio(1.0, 4.0) == 0.25
    assert ratio(None, 4.0) is None
    assert ratio(1.0, 0.0) is None
