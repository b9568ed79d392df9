"""Figures with their alternative texts, and how a notebook shows them."""

import base64
import re

import IPython.display
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes

from eiwork.errors import InputError
from eiwork.figures import convergence, figure_html, figure_png, new_figure, show
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


def test_the_image_carries_its_text_escaped():
    figure, _ = new_figure()
    text = figure_html(figure, 'a < b & "c"')
    assert 'alt="a &lt; b &amp; &quot;c&quot;"' in text
    data = re.search(r"base64,([A-Za-z0-9+/=]+)", text)
    assert data is not None
    assert base64.b64decode(data[1]) == figure_png(figure)


def test_a_figure_without_any_text_is_refused():
    figure, _ = new_figure()
    with pytest.raises(InputError, match="no alternative text"):
        figure_html(figure)
    with pytest.raises(InputError, match="no alternative text"):
        show(figure, "  ")


def test_show_gives_the_notebook_a_picture_and_its_text(displayed):
    figure = convergence([[1.0, 0.5]], ["Picard"])
    show(figure)
    show(figure, "another text")
    assert [bundle["text/plain"] for bundle in displayed] == [figure.alt_text, "another text"]
    assert 'alt="another text"' in displayed[1]["text/html"]


def test_a_figure_at_the_end_of_a_cell_shows_itself(displayed):
    figure = convergence([[1.0, 0.5]], ["Picard"])
    figure._ipython_display_()
    assert displayed[0]["text/plain"] == figure.alt_text


def test_global_settings_stay_as_they_were():
    before = dict(mpl.rcParams)
    figure_png(convergence([[1.0, 0.5]], ["Picard"]))
    assert dict(mpl.rcParams) == before


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
