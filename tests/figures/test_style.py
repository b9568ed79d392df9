"""Colours that can be told apart, by everyone and in print."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from eiwork.figures.style import PALETTE, look

# Viénot, Brettel and Mollon (1999): linear RGB as seen with deuteranopia.
DEUTERANOPIA = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])


def luminance(colour: str) -> float:
    linear = np.array(to_rgb(colour)) ** 2.2
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", PALETTE)
def test_every_line_stands_out_from_the_white_ground(colour):
    assert 1.05 / (luminance(colour) + 0.05) > 2.0


def test_the_first_colours_differ_for_a_colour_blind_reader():
    seen = np.array([DEUTERANOPIA @ (np.array(to_rgb(colour)) ** 2.2) for colour in PALETTE[:4]])
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(4)
    assert distances.min() > 0.1


def test_series_differ_in_more_than_colour():
    looks = [look(i) for i in range(len(PALETTE))]
    assert len({(item["linestyle"], item["marker"]) for item in looks}) == len(PALETTE)
    assert look(len(PALETTE)) == look(0)
