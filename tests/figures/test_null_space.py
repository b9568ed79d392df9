"""Singular spectra, and images beside their signed parts."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures.null_space import image_parts, singular_spectra

IMAGE = torch.linspace(-1, 1, 16).reshape(1, 4, 4)


def test_spectra_are_sorted_relative_and_end_on_the_floor():
    figure = singular_spectra({"A": [0.0, 2.0, 0.5, 0.0]}, floor=1e-3, cutoff=0.1, description="Four.")
    curve, cutoff = figure.axes[0].lines
    assert curve.get_ydata().tolist() == [1.0, 0.25, 1e-3, 1e-3]
    assert curve.get_xdata().tolist() == [12.5, 37.5, 62.5, 87.5]
    assert set(cutoff.get_ydata()) == {0.1}
    assert figure.axes[0].get_yscale() == "log"
    assert figure.alt_text.startswith("Four. Relative singular values")
    assert "A: 50 % of 4 directions above 1e-03, the smallest of them 0.25" in figure.alt_text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"spectra": {}}, "at least one spectrum"),
        ({"spectra": {"A": [1.0]}, "floor": 1.0}, "floor"),
        ({"spectra": {"A": [1.0, -1.0]}}, "singular values >= 0"),
        ({"spectra": {"A": [1.0, np.nan]}}, "finite"),
        ({"spectra": {"A": []}}, "must be a list"),
        ({"spectra": {"A": [0.0, 0.0]}}, "sees nothing"),
    ],
)
def test_spectra_refuse_what_they_cannot_draw(arguments, told):
    with pytest.raises(InputError, match=told):
        singular_spectra(**arguments)


def panels(figure):
    return [axis for axis in figure.axes if axis.get_title()]


def test_signed_columns_are_symmetric_about_white_in_a_range_of_each_row():
    figure = image_parts(
        [[IMAGE, 0.5 * IMAGE], [IMAGE, 3 * IMAGE]],
        [["x", "part"], ["x again", "larger\npart"]],
        signed=[1],
        value_range=(0.0, 2.0),
        description="Parts.",
    )
    drawn = panels(figure)
    assert [axis.get_title() for axis in drawn] == ["x", "part", "x again", "larger\npart"]
    assert [axis.images[0].get_clim() for axis in drawn] == [(0, 2), (-0.5, 0.5), (0, 2), (-3, 3)]
    assert np.allclose(drawn[3].images[0].cmap(0.5)[:3], 1, atol=0.02), "zero is white"
    assert figure.alt_text == ("Parts. Images: x, part (colours to ±0.5); x again, larger part (colours to ±3).")


def test_a_given_range_holds_for_every_row_and_a_zero_part_can_be_drawn():
    figure = image_parts([[IMAGE, 0 * IMAGE]], [["x", "nothing"]], signed=[1])
    assert panels(figure)[1].images[0].get_clim() == (-1, 1)
    figure = image_parts([[IMAGE], [IMAGE]], [["a"], ["b"]], signed=[0], signed_range=0.25)
    assert [axis.images[0].get_clim() for axis in panels(figure)] == [(-0.25, 0.25)] * 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"images": []}, "rows of equally many"),
        ({"images": [[IMAGE], [IMAGE, IMAGE]]}, "rows of equally many"),
        ({"titles": [["a"]]}, "one title"),
        ({"signed": [2]}, "not among 0 to 1"),
        ({"signed_range": 0.0}, "empty"),
        ({"value_range": (1.0, 0.0)}, "empty"),
        ({"images": [[IMAGE, torch.zeros(2, 4, 4)]]}, "take the real part"),
        ({"images": [[torch.zeros(4), IMAGE]]}, "not one image"),
    ],
)
def test_parts_refuse_what_they_cannot_draw(change, told):
    arguments = {"images": [[IMAGE, IMAGE]], "titles": [["a", "b"]], "signed": [1]} | change
    with pytest.raises(InputError, match=told):
        image_parts(**arguments)
