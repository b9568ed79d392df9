"""What a group sees, and predictions against observations."""

import itertools

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures.symmetry import prediction, seen_by_group

SEEN = {
    "images": [torch.zeros(4, 4), torch.ones(1, 4, 4)],
    "titles": ["seen", "not seen"],
    "thresholds": [0.01, 0.1, 1.0],
    "shares": {"shifts": [0.5, 0.4, 0.0], "rotations": [1.0, 0.8, 0.1]},
    "current": "rotations",
    "threshold": 0.1,
    "value_ranges": [(0, 1), (-0.5, 0.5)],
}


def test_images_have_their_own_scales_and_the_current_group_stands_out():
    figure = seen_by_group(**SEEN, description="A head.")
    first, second, curve = figure.axes
    assert first.images[0].get_clim() == (0.0, 1.0)
    assert second.images[0].get_clim() == (-0.5, 0.5)
    other, current, line = curve.lines
    assert other.get_ydata().tolist() == [0.5, 0.4, 0.0]
    assert current.get_ydata().tolist() == [1.0, 0.8, 0.1]
    assert current.get_linewidth() > other.get_linewidth()
    assert set(line.get_xdata()) == {0.1}
    assert [text.get_text() for text in curve.get_legend().get_texts()] == ["rotations"]
    assert figure.alt_text.startswith("A head. seen, not seen")
    assert "80% at 0.1" in figure.alt_text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"titles": ["seen"]}, "a title and a range per image"),
        ({"thresholds": [0.1, 0.01, 1.0]}, "increasing order"),
        ({"thresholds": [0.0, 0.01, 1.0]}, "positive"),
        ({"current": "flips"}, "the groups are"),
        ({"shares": {"rotations": [1.0, 0.8]}}, "must be 3 numbers"),
        ({"shares": {"rotations": [1.0, 0.8, 2.0]}}, "in \\[0, 1\\]"),
        ({"value_ranges": [(0, 1), (1, 1)]}, "must exceed"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, told):
    with pytest.raises(InputError, match=told):
        seen_by_group(**(SEEN | change))


def test_every_prediction_is_a_named_point():
    figure = prediction(
        {"CT": [0.1, 0.9], "MRI": [0.5]},
        {"CT": np.array([0.0, 0.8]), "MRI": [0.3]},
        {"CT": ["shifts", "rotations"], "MRI": ["flips"]},
        x_label="score",
        y_label="gap closure",
    )
    assert [axis.get_title() for axis in figure.axes] == ["CT", "MRI"]
    points = [axis.lines[0].get_xydata().tolist() for axis in figure.axes]
    assert points == [[[0.1, 0.0], [0.9, 0.8]], [[0.5, 0.3]]]
    names = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert names == [["shifts", "rotations"], ["flips"]]
    assert len({axis.lines[0].get_marker() for axis in figure.axes}) == 2
    assert "rotations (0.90, 0.80)" in figure.alt_text


def test_names_of_close_points_are_moved_apart():
    figure = prediction(
        {"CT": [0.9, 0.91, 0.92, 0.1]},
        {"CT": [0.5, 0.5, 0.5, 0.0]},
        {"CT": ["a", "b", "c", "d"]},
        x_label="x",
        y_label="y",
    )
    heights = sorted(text.xyann[1] for text in figure.axes[0].texts)
    assert min(b - a for a, b in itertools.pairwise(heights)) > 0.02


def test_a_point_far_below_is_an_arrow_with_its_value():
    arguments = {"CT": [0.0, 1.0]}, {"CT": [-2.3, 0.7]}, {"CT": ["identity", "rotations"]}
    far, near = (prediction(*arguments, x_label="x", y_label="y", lowest=lowest).axes[0] for lowest in (None, -0.6))
    assert far.lines[0].get_ydata().tolist() == [-2.3, 0.7]
    assert near.lines[0].get_ydata().tolist() == [-0.6, 0.7]
    assert near.texts[0].get_text() == "identity: -2.3 \u2193"


def test_points_that_do_not_match_are_refused():
    with pytest.raises(InputError, match="the same sets"):
        prediction({"CT": [1.0]}, {"MRI": [1.0]}, {"CT": ["a"]}, x_label="x", y_label="y")
    for wrong in ([1.0, 2.0], [float("nan")]):
        with pytest.raises(InputError, match="as many finite"):
            prediction({"CT": wrong}, {"CT": wrong}, {"CT": ["a"]}, x_label="x", y_label="y")
