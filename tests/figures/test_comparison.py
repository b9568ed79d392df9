"""Methods compared in one quantity."""

import numpy as np
import pytest

from eiwork.errors import InputError
from eiwork.figures import comparison, intervals


def test_rows_show_centres_intervals_points_and_the_reference():
    figure = comparison(
        ["FBP", "DEQ"],
        [20.0, 25.0],
        lower=[19.0, 24.5],
        upper=[21.0, 25.5],
        points=[[19.5, 20.5], [24.0, 26.0]],
        interval="95 % interval over 2 images",
        reference=("supervised", 26.5),
    )
    axis = figure.axes[0]
    drawn = [np.asarray(line.get_xdata()).ravel().tolist() for line in axis.lines]
    expected = [[19.5, 20.5], [19.0, 21.0], [20.0], [24.0, 26.0], [24.5, 25.5], [25.0], [26.5, 26.5]]
    assert drawn == expected
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["FBP", "DEQ"]
    assert axis.get_ylim() == (1.5, -0.5), "the first method is on top"
    assert figure.alt_text == (
        "Comparison in PSNR (dB), with 95 % interval over 2 images: FBP 20 (19 to 21); "
        "DEQ 25 (24.5 to 25.5); supervised 26.5 as a reference line."
    )


def test_centres_alone_are_enough():
    figure = comparison(["a"], [1.0], quantity="time (s)")
    assert len(figure.axes[0].lines) == 1
    assert figure.alt_text == "Comparison in time (s): a 1."


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"labels": [], "centres": []}, "at least one"),
        ({"labels": ["a"], "centres": [np.nan]}, "no finite value"),
        ({"labels": ["a"], "centres": [1.0, 2.0]}, "list of 1 numbers"),
        ({"labels": ["a"], "centres": [1.0], "lower": [0.0]}, "both lower and upper"),
        ({"labels": ["a"], "centres": [1.0], "lower": [0.0], "upper": [2.0]}, "Say in `interval`"),
        ({"labels": ["a"], "centres": [1.0], "interval": "range"}, "only together"),
        ({"labels": ["a"], "centres": [1.0], "lower": [2.0], "upper": [3.0], "interval": "r"}, "contain"),
        ({"labels": ["a"], "centres": [1.0], "points": []}, "points has 0 lists"),
    ],
)
def test_wrong_arguments_are_one_clear_error(arguments, told):
    with pytest.raises(InputError, match=told):
        comparison(**arguments)


def test_long_names_leave_room_for_the_values():
    long = "a method whose name alone would take the whole width of the figure and more"
    figure = comparison(
        [long, "short"],
        [1.0, 2.0],
        lower=[0, 1],
        upper=[2, 3],
        interval="95 % interval over a great many images",
    )
    (axis,) = figure.axes
    name = axis.get_yticklabels()[0].get_text()
    assert name.replace("\n", " ") == long
    assert max(map(len, name.splitlines())) <= 40
    assert max(map(len, axis.get_xlabel().splitlines())) <= 40
    assert axis.get_position().width > 0.4
    assert long in figure.alt_text


def test_intervals_say_what_they_are_over():
    figure = intervals(["a", "b"], [25.0, 27.0], [24.0, 26.5], [26.0, 27.5], n_images=40, n_seeds=3, quantity="SSIM")
    assert "Comparison in SSIM, with 95 % bootstrap interval over 40 images and 3 seeds" in figure.alt_text
    assert "b 27 (26.5 to 27.5)" in figure.alt_text
    single = intervals(["a"], [25.0], [24.0], [26.0], n_images=2, n_seeds=1)
    assert "2 images and 1 seed:" in single.alt_text
