"""Rows of images on one scale."""

import numpy as np
import pytest
import torch

from eiwork.figures import image_row

TRUTH = torch.linspace(0, 1, 64).reshape(1, 8, 8)


def shown(figure):
    """The arrays that the panels show, with their grey ranges."""
    return [(axis.images[0].get_array(), axis.images[0].get_clim()) for axis in figure.axes if axis.images]


def test_images_share_the_range_of_all_of_them():
    figure = image_row([TRUTH, TRUTH * 2 - 0.5], ["one", "two"])
    assert [limits for _, limits in shown(figure)] == [(-0.5, 1.5), (-0.5, 1.5)]
    assert "values from -0.5 (black) to 1.5 (white)" in figure.alt_text
    assert shown(image_row([TRUTH], ["one"], value_range=(0.2, 0.6)))[0][1] == (0.2, 0.6)
    # Titles and text carry the given PSNR.
    figure = image_row([TRUTH, TRUTH], ["ground truth", "DEQ"], psnr=[None, 27.314], description="A thorax.")
    assert [axis.get_title() for axis in figure.axes] == ["ground truth", "DEQ\n27.31 dB"]
    assert figure.alt_text.startswith("A thorax. 2 images side by side")
    assert "DEQ (PSNR 27.31 dB)" in figure.alt_text


def test_errors_stand_below_on_a_scale_of_their_own():
    figure = image_row([TRUTH, TRUTH + 0.1, TRUTH - 0.3], ["truth", "a", "b"], reference=TRUTH)
    errors = shown(figure)[3:]
    assert len(errors) == 2, "the truth itself has no error panel"
    assert np.allclose(errors[0][0], 0.1)
    assert np.allclose(errors[1][0], 0.3)
    assert np.allclose([limits for _, limits in errors], [(0, 0.3), (0, 0.3)])
    assert "a 0.1 on average, 0.1 at most; b 0.3 on average, 0.3 at most" in figure.alt_text
    figure = image_row([TRUTH], ["exact"], reference=TRUTH)
    assert len(shown(figure)) == 1
    assert figure.alt_text.endswith("Every image equals the reference.")
    figure = image_row([TRUTH] * 3, ["a", "b", "c"], n_columns=2)
    assert (len(figure.axes), len(shown(figure))) == (4, 3), "columns wrap the row"


def test_signed_columns_have_a_colour_scale_for_each_row():
    images = [TRUTH, 0.5 - TRUTH, TRUTH * 2, 3 * TRUTH]
    figure = image_row(images, ["x", "part", "2 x", "3 x"], n_columns=2, signed=[1], description="Parts.")
    panels = shown(figure)[:4]
    assert [limits for _, limits in panels] == [(0, 2), (-0.5, 0.5), (0, 2), (-3, 3)]
    assert figure.axes[1].images[0].get_cmap()(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01), "zero is white"
    assert all(figure.axes[1].spines[side].get_visible() for side in ("left", "top")), "a frame shows where it is"
    assert figure.alt_text.startswith("Parts. 4 images side by side, values from 0 (black) to 2 (white)")
    assert "from -0.5 (blue) over 0 (white) to 0.5 (vermilion): part." in figure.alt_text
    # A signed range can be given, and zero has one.
    options = {"titles": ["a", "b"], "signed": [0, 1]}
    assert [limits for _, limits in shown(image_row([TRUTH, -TRUTH], signed_range=2, **options))[:2]] == [(-2, 2)] * 2
    assert shown(image_row([0 * TRUTH] * 2, **options))[0][1] == (-1, 1)
