"""Figures with their alternative texts, and how a notebook shows them."""

import base64
import re

import IPython.display
import matplotlib.style
import numpy as np
import pytest
from matplotlib.axes import Axes

from eiwork.errors import InputError
from eiwork.figures import convergence, figure_png, new_figure, show
from eiwork.figures.described import blank


@pytest.fixture
def displayed(monkeypatch):
    """What a notebook would receive."""
    bundles = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: bundles.append(data) if raw else None)
    return bundles


def test_the_same_numbers_give_the_same_bytes():
    first, second = (figure_png(convergence([[1.0, 0.1]], ["Picard"])) for _ in range(2))
    assert first == second
    assert first != figure_png(convergence([[1.0, 0.2]], ["Picard"]))
    assert b"matplotlib" not in first.lower()


def test_a_notebook_gets_the_picture_with_its_text_escaped(displayed):
    figure = convergence([[1.0, 0.5]], ["Picard"])
    show(figure)
    show(figure, 'a < b & "c"')
    figure._ipython_display_()  # the last expression of a cell
    assert [bundle["text/plain"] for bundle in displayed] == [figure.alt_text, 'a < b & "c"', figure.alt_text]
    page = displayed[1]["text/html"]
    assert 'alt="a &lt; b &amp; &quot;c&quot;"' in page
    data = re.search(r"base64,([A-Za-z0-9+/=]+)", page)
    assert data is not None
    assert base64.b64decode(data[1]) == figure_png(figure)


@pytest.mark.parametrize("alt", [None, "  "])
def test_a_figure_without_any_text_is_refused(alt):
    with pytest.raises(InputError, match="no alternative text"):
        show(new_figure()[0], alt)


def test_a_reader_with_a_dark_style_gets_the_same_figure():
    usual = figure_png(convergence([[1.0, 0.1]], ["Picard"]))
    with matplotlib.style.context("dark_background"):
        assert figure_png(convergence([[1.0, 0.1]], ["Picard"])) == usual


def test_global_settings_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    figure_png(convergence([[1.0, 0.5]], ["Picard"]))
    assert dict(matplotlib.rcParams) == before


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
