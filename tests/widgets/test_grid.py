"""Axes of a grid of pictures."""

import pytest

from eiwork.errors import InputError
from eiwork.widgets.grid import Axis


def test_positions_between_numbers_are_interpolated():
    axis = Axis("sigma", [0.0, 0.1, 0.5])
    assert [axis.position(i) for i in (0, 0.5, 1, 1.25, 2)] == pytest.approx([0.0, 0.05, 0.1, 0.2, 0.5])
    assert [axis.text_at(i) for i in (0, 1, 1.25)] == ["0", "0.1", "0.2"]


def test_whole_numbers_stay_whole():
    axis = Axis("iteration", [0, 10, 15])
    assert [axis.position(i) for i in (0.5, 1.25, 2)] == [5, 11, 15]
    assert axis.texts == ["0", "10", "15"]


def test_texts_have_nothing_in_between():
    axis = Axis("method", ["FBP", "DEQ"])
    assert not axis.is_numeric
    assert axis.text_at(1) == "DEQ"
    with pytest.raises(InputError, match="nothing in between"):
        axis.position(0.5)


@pytest.mark.parametrize(("name", "labels"), [("", ["a"]), ("axis", []), ("axis", ["a", "a"])])
def test_an_axis_needs_a_name_and_different_labels(name, labels):
    with pytest.raises(InputError, match="axis"):
        Axis(name, labels)
