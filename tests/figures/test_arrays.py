"""Numbers and images as figures receive them."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures.arrays import checked_range, to_array, to_numbers, to_picture


def test_tensors_with_gradient_and_lists_of_tensors_become_float64_arrays():
    tensor = torch.tensor([1.0, 2.0], requires_grad=True)
    assert to_array(tensor).tolist() == [1.0, 2.0]
    assert to_array([tensor, tensor * 2]).tolist() == [[1.0, 2.0], [2.0, 4.0]]
    assert to_array([1, 2]).dtype == np.float64


def test_text_and_ragged_lists_are_refused():
    with pytest.raises(InputError, match="scores cannot be read as an array"):
        to_array(["a"], "scores")
    with pytest.raises(InputError, match="cannot be read"):
        to_array([[1.0], [1.0, 2.0]])


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (1, 1, 4, 5)])
def test_one_grey_image_in_any_layout_is_the_same_picture(shape):
    values = torch.arange(20.0)
    assert np.array_equal(to_picture(values.reshape(shape)), np.arange(20.0).reshape(4, 5))


def test_two_channels_are_shown_as_their_magnitude_and_three_as_colour():
    real_imaginary = torch.stack([torch.full((2, 2), 3.0), torch.full((2, 2), 4.0)])
    assert np.array_equal(to_picture(real_imaginary), np.full((2, 2), 5.0))
    assert to_picture(torch.zeros(3, 4, 5)).shape == (4, 5, 3)


@pytest.mark.parametrize("shape", [(4,), (2, 1, 4, 4), (4, 8, 8), (1, 0, 3)])
def test_what_is_not_one_image_is_refused_with_its_shape(shape):
    with pytest.raises(InputError, match=r"picture has shape .* not one image"):
        to_picture(torch.zeros(shape), "picture")


def test_nan_is_refused():
    with pytest.raises(InputError, match="NaN"):
        to_picture(torch.full((2, 2), float("nan")))


def test_numbers_are_a_list_with_gaps_only_where_they_are_allowed():
    assert to_numbers([1, 2], "x", 2).tolist() == [1.0, 2.0]
    assert np.isnan(to_numbers([1.0, np.nan], "y", gaps=True)[1])


@pytest.mark.parametrize(
    ("values", "options", "told"),
    [
        ([[1.0]], {}, "x has shape .* at least one number"),
        ([], {}, "at least one number"),
        ([1.0], {"length": 2}, "list of 2 numbers"),
        ([1.0, np.nan], {}, "NaN or infinite"),
        ([np.nan], {"gaps": True}, "nothing to draw"),
        ([1.0, np.nan, 0.0], {"gaps": True, "positive": True}, "values <= 0"),
    ],
)
def test_numbers_that_cannot_be_drawn_are_refused(values, options, told):
    with pytest.raises(InputError, match=told):
        to_numbers(values, "x", **options)


def test_a_range_rises():
    assert checked_range((0, 2)) == (0, 2)
    with pytest.raises(InputError, match="must exceed"):
        checked_range((1.0, 1.0))
