"""Two images, their difference and their profiles as a static figure."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures import image_comparison

RAMP = torch.arange(12.0).reshape(3, 4) / 12
IMAGES = {"ramp": RAMP, "half": 0.5 * RAMP, "zero": torch.zeros(1, 3, 4)}


def test_it_shows_both_images_their_difference_and_every_profile():
    figure = image_comparison(IMAGES, left="ramp", right="half", position=2, description="Ramps.")
    left, right, difference, profile = figure.axes[:4]
    assert [axis.get_title() for axis in (left, right)] == ["ramp", "half"]
    assert np.allclose(left.images[0].get_array(), RAMP)
    assert np.allclose(difference.images[0].get_array(), 0.5 * RAMP)
    assert np.allclose(difference.images[0].get_clim(), (-11 / 24, 11 / 24))
    assert [line.get_label() for line in profile.lines] == list(IMAGES)
    assert np.allclose(profile.lines[0].get_ydata(), RAMP[2])
    assert left.lines[0].get_ydata() == [2, 2]
    rms = float((0.5 * RAMP).square().mean().sqrt())
    assert figure.alt_text.startswith("Ramps. ramp beside half")
    assert f"root mean square {rms:.3g}, largest 0.458" in figure.alt_text
    assert "along row 2: ramp from 0.667 to 0.917; half from 0.333" in figure.alt_text


def test_a_column_can_be_chosen_and_ranges_given():
    figure = image_comparison(
        IMAGES,
        left="zero",
        right="ramp",
        line="column",
        position=3,
        difference_range=2,
        value_range=(0.0, 3.0),
    )
    assert np.allclose(figure.axes[3].lines[0].get_ydata(), RAMP[:, 3])
    assert figure.axes[0].images[0].get_clim() == (0, 3)
    assert figure.axes[2].images[0].get_clim() == (-2, 2)


def test_equal_images_have_a_white_difference():
    figure = image_comparison({"a": RAMP, "b": RAMP}, left="a", right="b")
    assert figure.axes[2].images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"images": {"a": RAMP, "b": RAMP[:2]}}, "one size"),
        ({"images": {"a": torch.zeros(3, 4, 4)}}, "grey images"),
        ({"left": "none"}, "among the images"),
        ({"position": 3}, "no row 3"),
        ({"line": "column", "position": 4}, "no column 4"),
        ({"value_range": (1.0, 1.0)}, "empty"),
        ({"difference_range": 0.0}, "empty"),
    ],
)
def test_wrong_arguments_are_one_clear_error(change, told):
    arguments = {"images": {"a": RAMP, "b": RAMP}, "left": "a", "right": "b"} | change
    with pytest.raises(InputError, match=told):
        image_comparison(**arguments)
