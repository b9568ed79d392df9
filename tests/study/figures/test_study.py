"""Figures of the study: what they draw and what their texts say."""

import pytest

from eiwork.errors import InputError
from eiwork.figures import figure_png
from eiwork_study.figures.study import cost_curves


def test_curves_are_averaged_where_all_seeds_have_one():
    seeds = [([1, 2, 3], [20.0, 21.0, 22.0]), ([2, 4], [23.0, 25.0])]
    figure = cost_curves({"steps": {"one": seeds}, "NFE": {"one": seeds[:1]}})
    assert len(figure.axes) == 2
    mean = figure.axes[0].lines[-1]
    assert mean.get_xdata().tolist() == [2, 3]
    assert mean.get_ydata().tolist() == [22.0, 23.0]
    assert "one 22.00 at 2 and 23.00 at 3" in figure.alt_text
    assert [axis.get_xlabel() for axis in figure.axes] == ["steps", "NFE"]


def test_no_two_methods_of_a_row_look_alike_and_no_legend_covers_a_curve():
    methods = {f"method {i}": [([1, 2, 3], [20.0 + i, 21.0, 22.0])] for i in range(9)}
    figure = cost_curves({"steps": methods, "NFE": methods})
    figure_png(figure)  # lays it out
    panels = [axis for axis in figure.axes if axis.lines]
    assert len(panels) == 4
    named = []
    for axis in panels:
        means = [line for line in axis.lines if not line.get_label().startswith("_")]
        looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in means}
        assert len(looks) == len(means) <= 7
        legend = axis.get_legend()
        if legend is not None:
            named += [text.get_text() for text in legend.get_texts()]
            assert not any(legend.get_window_extent().overlaps(other.get_window_extent()) for other in panels)
    assert named == list(methods)


@pytest.mark.parametrize(
    ("curves", "match"),
    [
        ({}, "at least one cost"),
        ({"steps": {"one": []}}, "at least one cost"),
        ({"steps": {"one": [([1, 2], [3.0])]}}, "both need"),
        ({"steps": {"one": [([2, 1], [3.0, 4.0])]}}, "must grow"),
        ({"steps": {"one": [([1, 2], [3.0, float("nan")])]}}, "must grow"),
    ],
)
def test_curves_that_cannot_be_drawn_are_told(curves, match):
    with pytest.raises(InputError, match=match):
        cost_curves(curves)
