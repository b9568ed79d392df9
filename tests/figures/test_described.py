"""Figures with their alternative texts, how a notebook shows them, and colours that can be told apart."""

import base64
import re

import IPython.display
import matplotlib.style
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from eiwork.errors import InputError
from eiwork.figures import convergence, figure_png, new_figure, show
from eiwork.figures.described import blank
from eiwork.figures.style import PALETTE, look

# Viénot, Brettel and Mollon (1999): linear RGB as seen with deuteranopia.
DEUTERANOPIA = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])


@pytest.fixture
def displayed(monkeypatch):
    """What a notebook would receive."""
    bundles = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: bundles.append(data) if raw else None)
    return bundles


def test_the_same_numbers_give_the_same_bytes_whatever_a_reader_has_set():
    before = dict(matplotlib.rcParams)
    first, second = (figure_png(convergence([[1.0, 0.1]], ["Picard"])) for _ in range(2))
    with matplotlib.style.context("dark_background"):
        dark = figure_png(convergence([[1.0, 0.1]], ["Picard"]))
    assert first == second == dark != figure_png(convergence([[1.0, 0.2]], ["Picard"]))
    assert b"matplotlib" not in first.lower()
    assert dict(matplotlib.rcParams) == before, "global settings stay as they were"


def test_a_notebook_gets_the_picture_with_its_text_escaped(displayed):
    figure = convergence([[1.0, 0.5]], ["Picard"])
    figure.alt_text = 'a < b & "c"'
    show(figure)
    figure._ipython_display_()  # the last expression of a cell
    assert [bundle["text/plain"] for bundle in displayed] == [figure.alt_text] * 2
    page = displayed[1]["text/html"]
    assert 'alt="a &lt; b &amp; &quot;c&quot;"' in page
    data = re.search(r"base64,([A-Za-z0-9+/=]+)", page)
    assert data is not None
    assert base64.b64decode(data[1]) == figure_png(figure)
    with pytest.raises(InputError, match="no alternative text"):
        show(new_figure()[0])


def test_a_blank_axis_shows_its_picture_and_nothing_else_and_makes_no_ticks():
    pictures = []
    for hide in (blank, Axes.set_axis_off):
        figure, axes = new_figure(1, 2)
        for axis in axes.flat:
            axis.imshow(np.eye(8))
            axis.set_title("eye")
            hide(axis)
        pictures.append(figure_png(figure))
        n_ticks = [len(part.get_majorticklabels()) for axis in axes.flat for part in (axis.xaxis, axis.yaxis)]
        assert (n_ticks == [0] * 4) == (hide is blank)
    assert pictures[0] == pictures[1]


def test_colours_stand_out_from_white_and_differ_for_a_colour_blind_reader_and_in_more_than_colour():
    linear = np.array([to_rgb(colour) for colour in PALETTE]) ** 2.2
    assert (1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) > 2.0).all()
    seen = linear[:4] @ DEUTERANOPIA.T
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(4)
    assert distances.min() > 0.1
    looks = [look(i) for i in range(len(PALETTE))]
    assert len({(item["linestyle"], item["marker"]) for item in looks}) == len(PALETTE)
    assert look(len(PALETTE)) == look(0)
