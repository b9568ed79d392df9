"""Cobwebs, steps of a solver, spectra."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures.fixed_point import cobweb, solver_step, spectrum

GRID = [0.0, 1.0, 2.0]


def test_a_cobweb_goes_to_the_curve_and_then_to_the_diagonal():
    figure = cobweb(GRID, [[0.0, 0.5, 1.0]], [[2.0, 1.0, 0.5]], ["half of z"], description="A path.")
    diagonal, curve, stairs, start = figure.axes[0].lines
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert curve.get_ydata().tolist() == [0.0, 0.5, 1.0]
    # From the diagonal to the curve, to the diagonal, to the curve, to the diagonal.
    assert stairs.get_xdata().tolist() == [2.0, 2.0, 1.0, 1.0, 0.5]
    assert stairs.get_ydata().tolist() == [2.0, 1.0, 1.0, 0.5, 0.5]
    assert start.get_xdata().tolist() == [2.0]
    assert figure.alt_text.startswith("A path. Cobweb")
    assert "half of z: from 2 to 0.5 in 2 iterations" in figure.alt_text


def test_a_path_that_leaves_the_range_does_not_move_the_axes():
    figure = cobweb(GRID, [GRID, GRID], [[1.0, 1.0], [1.0, 100.0]], ["stays", "leaves"])
    assert [axis.get_xlim() for axis in figure.axes] == [(0.0, 2.0)] * 2
    assert [axis.get_ylim() for axis in figure.axes] == [(0.0, 2.0)] * 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"positions": [0.0, 2.0, 1.0]}, "increasing"),
        ({"positions": [0.0]}, "at least two positions"),
        ({"titles": ["a", "b"]}, "per panel"),
        ({"values": [[1.0, 2.0]]}, r"values\[0\] has shape"),
        ({"iterates": [[1.0]]}, "at least two finite"),
        ({"iterates": [[1.0, float("inf")]]}, "at least two finite"),
    ],
)
def test_a_cobweb_refuses_what_it_cannot_draw(change, told):
    arguments = {"positions": GRID, "values": [GRID], "iterates": [[1.0, 1.0]], "titles": ["a"]} | change
    with pytest.raises(InputError, match=told):
        cobweb(**arguments)


STEP = {
    "images": [torch.zeros(4, 4), torch.ones(1, 4, 4)],
    "titles": ["iterate", "change"],
    "traces": {"Picard": [1.0, 0.5, 0.25], "Anderson": [1.0, 0.1]},
    "current": "Picard",
    "evaluation": 2,
}


def test_a_solver_step_draws_the_current_curve_up_to_the_evaluation():
    figure = solver_step(**STEP, tolerance=1e-3)
    *pictures, axis = figure.axes
    assert [picture.get_title() for picture in pictures] == ["iterate", "change"]
    assert [picture.images[0].get_clim() for picture in pictures] == [(0.0, 1.0)] * 2
    whole, so_far, here, other, tolerance = axis.lines
    assert whole.get_ydata().tolist() == [1.0, 0.5, 0.25]
    assert so_far.get_ydata().tolist() == [1.0, 0.5]
    assert (here.get_xdata().tolist(), here.get_ydata().tolist()) == ([2], [0.5])
    assert other.get_ydata().tolist() == [1.0, 0.1]
    assert set(tolerance.get_ydata()) == {1e-3}
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["Picard", "Anderson"]
    assert "Evaluation 2 of Picard: relative residual 5.0e-01" in figure.alt_text


def test_the_text_of_a_step_says_which_one_it_is():
    texts = {solver_step(**(STEP | {"evaluation": k})).alt_text for k in (1, 2, 3)}
    assert len(texts) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"titles": ["iterate"]}, "one title per image"),
        ({"images": [], "titles": []}, "one title per image"),
        ({"traces": {"Picard": [1.0, 0.0]}}, "positive residuals"),
        ({"traces": {"Picard": []}}, "positive residuals"),
        ({"current": "Broyden"}, "no evaluation 2 of 'Broyden'"),
        ({"evaluation": 0}, "no evaluation 0"),
        ({"evaluation": 4}, "no evaluation 4"),
        ({"value_range": (1.0, 1.0)}, "must exceed"),
    ],
)
def test_a_solver_step_refuses_what_it_cannot_draw(change, told):
    with pytest.raises(InputError, match=told):
        solver_step(**(STEP | change))


def test_a_spectrum_has_a_panel_for_each_set_with_the_unit_circle():
    figure = spectrum({"rotation": torch.tensor([0.5j, -0.5j]), "real": np.array([0.9, -1.2])})
    assert len(figure.axes) == 2
    for axis in figure.axes:
        circle = axis.lines[0]
        assert np.allclose(np.hypot(circle.get_xdata(), circle.get_ydata()), 1)
    rotation, real = (axis.lines[1] for axis in figure.axes)
    assert rotation.get_ydata().tolist() == [0.5, -0.5]
    assert real.get_xdata().tolist() == [0.9, -1.2]
    assert set(real.get_ydata()) == {0.0}
    assert "rotation: 2 eigenvalues, largest modulus 0.5" in figure.alt_text
    assert "real: 2 eigenvalues, largest modulus 1.2" in figure.alt_text


@pytest.mark.parametrize(
    ("eigenvalues", "told"),
    [
        ({}, "at least one set"),
        ({"J": torch.zeros(2, 2)}, "must be a list"),
        ({"J": torch.zeros(0)}, "must be a list"),
        ({"J": torch.tensor([float("nan")])}, "finite"),
    ],
)
def test_a_spectrum_refuses_what_it_cannot_draw(eigenvalues, told):
    with pytest.raises(InputError, match=told):
        spectrum(eigenvalues)
