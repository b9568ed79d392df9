"""Proximal maps, and exact beside Jacobian-free gradients: what the figures draw and what their texts say."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures.jacobian_free import descent_directions
from eiwork.figures.proximal import loop_in_field, picture_and_curves, prox_panels, spectrum_ranges

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
FIELD = {
    "weights": ([0.0, 1.0, 2.0], [0.0, 1.0]),
    "loss": torch.tensor([[4.0, 1.0, 0.5], [2.0, 0.0, 1.0]]),
    "points": [[0.0, 0.0], [1.0, 0.0]],
    "arrows": {"exact": [[3.0, 4.0], [0.0, 0.0]], "Jacobian-free": [[0.0, 5.0], [0.0, -0.1]]},
    "paths": {"exact": [[0.0, 0.0], [1.0, 1.0]], "Jacobian-free": [[0.0, 0.0], [0.5, 0.9], [0.4, 0.8]]},
    "places": {"P": [0.0, 0.0], "Q": torch.tensor([1.0, 0.5])},
    "radii": [0.0, 0.5, 1.0],
    "cosines": {"P": [1.0, 1.0, 0.8], "Q": [1.0, 0.0, -1.0]},
    "norm_ratios": {"P": [1.0, 0.9, 0.8], "Q": [1.0, 0.5, 0.1]},
    "current": 0.75,
}
ENDS = {"net": ([-2.0, -1.0], [1.0, 1.2]), "grad": (torch.tensor([0.5]), torch.tensor([1.0]))}


def test_a_pixel_shows_its_prior_what_was_recovered_and_its_map():
    first, second, third = prox_panels(**PIXEL).axes
    assert first.lines[0].get_ydata().tolist() == [1.0, 0.0, 1.0]
    assert first.lines[1].get_xdata().tolist() == [-1.0, 1.0]
    assert second.lines[1].get_ydata() == pytest.approx([0.5]), "the dot lies on the objective"
    assert third.lines[-1].get_xdata() == [1.0]
    text = prox_panels(**PIXEL).alt_text
    assert "z = 1 is lowest at x = 0" in text
    assert "steepest slope on the grid is 0.5" in text


def test_a_loop_is_closed_and_its_circulation_told():
    figure = loop_in_field(**LOOP)
    field, work = figure.axes
    assert len(field.lines[0].get_xdata()) == 4
    assert field.lines[0].get_xdata()[0] == field.lines[0].get_xdata()[-1]
    assert [line.get_ydata()[-1] for line in work.lines[:4:2]] == [0.0, 2.5]
    assert "the circulation: gradient 0, rotated 2.5." in figure.alt_text


def test_curves_have_a_dot_at_the_current_position():
    text = picture_and_curves(**CURVES).alt_text
    assert text.startswith("Images: before, after. change at angle 135: one 2.5 (from 0 to 4)")
    axes = picture_and_curves(**CURVES).axes
    assert len(axes) == 3
    special, curve, dot, *_ = axes[-1].lines
    assert special.get_xdata()[0] == 90
    assert curve.get_ydata().tolist() == [0.0, 1.0, 4.0]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (135, pytest.approx(2.5))


def test_rounding_is_told_as_zero():
    curves = {"one": [0.0, 3.0, -1e-7]}
    assert "one 0 (from 0 to 3)" in picture_and_curves(**(CURVES | {"curves": curves, "current": 180})).alt_text
    assert "rotated 0." in loop_in_field(**(LOOP | {"work": {"rotated": [0.0, 1.0, 1e-9]}})).alt_text


def test_spectra_are_a_line_an_image_with_what_no_prior_has_in_grey():
    figure = spectrum_ranges(ENDS, description="Ends.")
    axis = figure.axes[0]
    lines = [line.get_xdata() for line in axis.lines[:3]]
    assert np.allclose(lines, [(-2.0, 1.0), (-1.0, 1.2), (0.5, 1.0)])
    [grey] = axis.patches
    assert grey.get_x() + grey.get_width() == pytest.approx(0)
    assert axis.get_xlim()[0] <= -2
    assert figure.alt_text.startswith("Ends. Spectra")
    assert "net -2 to 1.2; grad 0.5 to 1" in figure.alt_text


def test_a_field_shows_directions_where_paths_end_and_the_curves_at_the_current_radius():
    figure = descent_directions(**FIELD)
    field, cosine, norm = figure.axes
    exact, free = (c for c in field.collections if hasattr(c, "U"))
    assert np.allclose([exact.U, exact.V], [[0.6, 0.0], [0.8, 0.0]]), "directions; a zero stays zero"
    assert np.allclose([free.U, free.V], [[0.0, 0.0], [1.0, -1.0]])
    assert cosine.get_title() == "cosine with the exact gradient"
    assert norm.get_title() == "norm, relative to exact"
    assert [text.get_text() for text in field.get_legend().get_texts()] == ["exact", "Jacobian-free"]
    text = figure.alt_text
    assert text.startswith("Descent on a loss of two weights at spectral radius 0.75.")
    assert "exact ends at (1.00, 1.00)" in text
    assert "Jacobian-free ends at (0.40, 0.80)" in text
    assert "cosine with the exact gradient at Q: -0.50" in text
    assert "norm, relative to exact at P: 0.85" in text


@pytest.mark.parametrize(
    ("draw", "change", "told"),
    [
        (prox_panels, PIXEL | {"x": [1.0, 0.0, 2.0]}, "x must be at least two numbers in increasing order"),
        (prox_panels, PIXEL | {"phi": [1.0]}, "phi must hold"),
        (prox_panels, PIXEL | {"recovered": ([0.0], [1.0, 2.0])}, "recovered"),
        (loop_in_field, LOOP | {"arrows": [[1.0, 0.0]]}, "arrows must hold"),
        (loop_in_field, LOOP | {"loop": [1.0, 2.0]}, "loop must hold"),
        (loop_in_field, LOOP | {"work": {"a": [1.0]}}, r"work\['a'\]"),
        (picture_and_curves, CURVES | {"titles": []}, "a title per image"),
        (picture_and_curves, CURVES | {"curves": {}}, "and a curve"),
        (picture_and_curves, CURVES | {"curves": {"a": [0.0, 1.0, float("nan")]}}, "finite"),
        (spectrum_ranges, {"ends": {}}, "at least one operator"),
        (spectrum_ranges, {"ends": {"net": ([0.0, 1.0], [1.0])}}, "largest of"),
        (spectrum_ranges, {"ends": {"net": ([1.0], [0.0])}}, "pairs of smallest"),
        (descent_directions, FIELD | {"loss": torch.zeros(3, 2)}, r"loss must hold finite numbers of shape \(2, 3\)"),
        (descent_directions, FIELD | {"loss": torch.full((2, 3), float("nan"))}, "finite"),
        (descent_directions, FIELD | {"points": [[0.0, 0.0, 0.0]]}, "points must hold"),
        (descent_directions, FIELD | {"arrows": {}, "paths": {}}, "arrows and a path for every kind"),
        (descent_directions, FIELD | {"paths": {"exact": [[0.0, 0.0]]}}, "arrows and a path for every kind"),
        (descent_directions, FIELD | {"places": {"P": [0.0, 0.0]}}, "for every place"),
        (descent_directions, FIELD | {"places": {"P": [0.0, 0.0], "Q": [0.0]}}, r"places\['Q'\]"),
        (descent_directions, FIELD | {"cosines": {"P": [1.0], "Q": [1.0]}}, "cosine with the exact gradient at P"),
    ],
)
def test_what_does_not_fit_is_refused(draw, change, told):
    with pytest.raises(InputError, match=told):
        draw(**change)
