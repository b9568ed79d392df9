"""Pixel values as they travel with a widget."""

import base64

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.widgets.pixels import largest_difference, quantise


def test_every_value_is_within_half_a_level():
    image = torch.randn(1, 20, 30, generator=torch.Generator().manual_seed(0)) * 1000 - 300
    pixels = quantise(image)
    span = float(image.max() - image.min())
    assert pixels.step == pytest.approx(span / 65535)
    assert np.abs(pixels.values - image[0].double().numpy()).max() <= pixels.step * 0.5001
    assert pixels.values.min() == pytest.approx(float(image.min()))
    assert pixels.values.max() == pytest.approx(float(image.max()))


def test_a_constant_image_stays_what_it_is():
    assert (quantise(torch.full((2, 3), 0.7, dtype=torch.float64)).values == 0.7).all()


def test_the_page_gets_little_endian_levels_row_by_row():
    state = quantise(torch.tensor([[0.0, 65535.0, 256.0]])).state()
    assert base64.b64decode(state["data"]) == bytes([0, 0, 255, 255, 0, 1])
    assert (state["low"], state["step"]) == (0.0, 1.0)


def test_complex_images_are_magnitudes_and_colour_is_refused():
    assert quantise(torch.tensor([[[3.0]], [[4.0]]])).values.tolist() == [[5.0]]
    with pytest.raises(InputError, match="colour"):
        quantise(torch.zeros(3, 4, 4))
    with pytest.raises(InputError, match="truth holds NaN"):
        quantise(torch.full((2, 2), float("nan")), "truth")


def test_the_largest_difference_is_over_all_pairs_and_never_zero():
    a, b = np.zeros((2, 2)), np.eye(2)
    assert largest_difference({"a": a, "b": b, "c": -2 * b}) == 3.0
    assert largest_difference({"a": a, "b": a}) == 1.0
