"""Is it a proximal map? What the figures draw and what their texts say."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures import figure_png
from eiwork.figures.proximal import (
    KINDS,
    Mark,
    loop_in_field,
    picture_and_curves,
    prox_panels,
    spectrum_ranges,
    statistic_panels,
)

PIXEL = {
    "x": [-1.0, 0.0, 1.0],
    "phi": [1.0, 0.0, 1.0],
    "objective": [3.0, 0.5, 1.0],
    "z": [-2.0, 0.0, 2.0],
    "prox": torch.tensor([-1.0, 0.0, 1.0]),
    "current": (1.0, 0.0),
    "recovered": ([-1.0, 1.0], [1.0, 1.0]),
}
LOOP = {
    "points": [[0.0, 0.0], [1.0, 0.0]],
    "arrows": [[1.0, 0.0], [0.0, 1.0]],
    "loop": [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]],
    "turns": [0.0, 0.5, 1.0],
    "work": {"gradient": [0.0, 1.0, 0.0], "rotated": [0.0, 1.0, 2.5]},
}
CURVES = {
    "images": [torch.zeros(2, 4, 4), np.ones((4, 4))],
    "titles": ["before", "after"],
    "x": [0, 90, 180],
    "curves": {"one": [0.0, 1.0, 4.0], "two": torch.tensor([2.0, 2.0, 2.0])},
    "x_label": "angle",
    "y_label": "change",
    "current": 135,
    "special": (90,),
}
OPERATORS = {"net": "trained", "grad": "positive"}
PANELS = {
    "asymmetry of the learnt part of all operators": {
        "net": Mark(0.3, (0.2, 0.4), (0.1, 0.5)),
        "grad": Mark(0.0, None, (0.0, 0.0)),
    },
    "eigenvalue": {"net": Mark(-2.0, None, (-3.0, -1.0))},
}
ENDS = {"net": ([-2.0, -1.0], [1.0, 1.2]), "grad": (torch.tensor([0.5]), torch.tensor([1.0]))}


def test_a_pixel_shows_its_prior_what_was_recovered_and_its_map():
    first, second, third = prox_panels(**PIXEL, description="One pixel.").axes
    prior, dots = first.lines
    assert prior.get_ydata().tolist() == [1.0, 0.0, 1.0]
    assert dots.get_xdata().tolist() == [-1.0, 1.0]
    assert second.lines[1].get_ydata() == pytest.approx([0.5]), "the dot lies on the objective"
    assert third.lines[-1].get_xdata() == [1.0]
    text = prox_panels(**PIXEL, description="One pixel.").alt_text
    assert text.startswith("One pixel. Three panels")
    assert "z = 1 is lowest at x = 0" in text
    assert "steepest slope on the grid is 0.5" in text


def test_a_loop_is_closed_and_its_circulation_told():
    figure = loop_in_field(**LOOP)
    field, work = figure.axes
    assert len(field.lines[0].get_xdata()) == 4
    assert field.lines[0].get_xdata()[0] == field.lines[0].get_xdata()[-1]
    assert [line.get_ydata()[-1] for line in work.lines[:4:2]] == [0.0, 2.5]
    assert "the circulation: gradient 0, rotated 2.5." in figure.alt_text


def test_curves_have_a_dot_at_the_current_position_or_at_their_end():
    text = picture_and_curves(**CURVES, description="A turn.").alt_text
    assert text.startswith("A turn. Images: before, after. change at angle 135: one 2.5 (from 0 to 4)")
    assert "at angle 180: one 4" in picture_and_curves(**(CURVES | {"current": None})).alt_text
    axes = picture_and_curves(**CURVES).axes
    assert len(axes) == 3
    special, curve, dot, *_ = axes[-1].lines
    assert special.get_xdata()[0] == 90
    assert curve.get_ydata().tolist() == [0.0, 1.0, 4.0]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (135, pytest.approx(2.5))


def test_rounding_is_told_as_zero():
    curves = {"one": [0.0, 3.0, -1e-7]}
    assert "one 0 (from 0 to 3)" in picture_and_curves(**(CURVES | {"curves": curves, "current": None})).alt_text
    assert "rotated 0." in loop_in_field(**(LOOP | {"work": {"rotated": [0.0, 1.0, 1e-9]}})).alt_text


def test_every_position_gives_its_own_picture_and_the_same_one_twice():
    first = figure_png(picture_and_curves(**CURVES))
    assert first == figure_png(picture_and_curves(**CURVES))
    assert first != figure_png(picture_and_curves(**(CURVES | {"current": 30})))


def test_a_statistic_has_its_interval_its_images_and_its_ideal():
    figure = statistic_panels(OPERATORS, PANELS, ideals={"eigenvalue": 0}, interval="over seeds")
    asymmetry, eigenvalue = figure.axes
    images, interval, mean, *_ = asymmetry.lines
    assert list(images.get_xdata()) == [0.1, 0.5]
    assert list(interval.get_xdata()) == [0.2, 0.4]
    assert mean.get_xdata()[0] == 0.3
    assert (mean.get_marker(), mean.get_color()) == (KINDS["trained"][1], KINDS["trained"][0])
    assert eigenvalue.lines[-1].get_xdata()[0] == 0
    assert asymmetry.get_title().count("\n") == 1, "long titles are wrapped"
    assert [label.get_text() for label in asymmetry.get_yticklabels()] == ["net", "grad"]
    assert "thick bars over seeds" in figure.alt_text
    assert "net 0.3, grad 0. eigenvalue: net -2." in figure.alt_text


def test_a_mean_beyond_the_limits_is_written_at_the_edge():
    eigenvalue = statistic_panels(OPERATORS, PANELS, limits={"eigenvalue": (-1, 1)}).axes[1]
    assert eigenvalue.get_xlim() == (-1, 1)
    assert [text.get_text() for text in eigenvalue.texts] == ["\u2190 -2"]
    inside = statistic_panels(OPERATORS, PANELS, limits={"eigenvalue": (-4, 1)}).axes[1]
    assert not inside.texts


def test_an_axis_shows_images_and_ideal_and_not_the_whole_of_a_wide_interval():
    panels = {"asymmetry": {"net": Mark(0.3, (-9.0, 9.0), (0.1, 0.5))}}
    low, high = statistic_panels(OPERATORS, panels, ideals={"asymmetry": 0}).axes[0].get_xlim()
    assert -0.1 < low < 0
    assert 0.5 < high < 0.6


def test_panels_are_wrapped_into_rows():
    figure = statistic_panels(OPERATORS, PANELS | {"third": PANELS["eigenvalue"]}, n_columns=2)
    assert [axis.get_visible() for axis in figure.axes] == [True, True, True, False]


def test_spectra_are_a_line_an_image_with_what_no_prior_has_in_grey():
    figure = spectrum_ranges(ENDS, OPERATORS, description="Ends.")
    axis = figure.axes[0]
    lines = [line.get_xdata() for line in axis.lines[:3]]
    assert np.allclose(lines, [(-2.0, 1.0), (-1.0, 1.2), (0.5, 1.0)])
    [grey] = axis.patches
    assert grey.get_x() + grey.get_width() == pytest.approx(0)
    assert axis.get_xlim()[0] <= -2
    assert figure.alt_text.startswith("Ends. Spectra")
    assert "net -2 to 1.2; grad 0.5 to 1" in figure.alt_text


@pytest.mark.parametrize(
    ("draw", "change", "told"),
    [
        (prox_panels, PIXEL | {"x": [1.0, 0.0, 2.0]}, "x must be at least two numbers in increasing order"),
        (prox_panels, PIXEL | {"phi": [1.0]}, "phi must hold"),
        (prox_panels, PIXEL | {"recovered": ([0.0], [1.0, 2.0])}, "recovered"),
        (loop_in_field, LOOP | {"arrows": [[1.0, 0.0]]}, "arrows must hold"),
        (loop_in_field, LOOP | {"loop": [1.0, 2.0]}, "loop must hold"),
        (loop_in_field, LOOP | {"work": {}}, "at least one curve"),
        (loop_in_field, LOOP | {"work": {"a": [1.0]}}, r"work\['a'\]"),
        (picture_and_curves, CURVES | {"titles": []}, "a title per image"),
        (picture_and_curves, CURVES | {"curves": {}}, "and a curve"),
        (picture_and_curves, CURVES | {"curves": {"a": [0.0, 1.0, float("nan")]}}, "finite"),
        (picture_and_curves, CURVES | {"value_range": (1, 0)}, "value_range"),
    ],
)
def test_what_does_not_fit_is_refused(draw, change, told):
    with pytest.raises(InputError, match=told):
        draw(**change)


@pytest.mark.parametrize(
    ("kinds", "panels", "told"),
    [
        (OPERATORS, {}, "at least one panel"),
        (OPERATORS, {"a": {"other": Mark(0, None, (0, 0))}}, "operators of"),
        ({"net": "odd"}, {"a": {}}, "needs a kind"),
        ({}, {"a": {}}, "needs a kind"),
        (OPERATORS, {"a": {"net": Mark(float("nan"), None, (0, 0))}}, "finite"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(kinds, panels, told):
    with pytest.raises(InputError, match=told):
        statistic_panels(kinds, panels)


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ({}, "needs a kind"),
        ({"other": ([0], [1])}, "needs a kind"),
        ({"net": ([1.0], [0.0])}, "pairs of smallest"),
    ],
)
def test_spectra_that_do_not_fit_are_refused(ends, told):
    with pytest.raises(InputError, match=told):
        spectrum_ranges(ends, OPERATORS)
