"""Cobwebs and spectra."""

import numpy as np
import torch

from eiwork.figures.fixed_point import cobweb, spectrum

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
