"""Methods compared in one quantity."""

import numpy as np

from eiwork.figures import comparison


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


def test_long_names_leave_room_for_the_values():
    long = "a method whose name alone would take the whole width of the figure and more"
    figure = comparison(
        [long, "short"], [1.0, 2.0], lower=[0, 1], upper=[2, 3], interval="95 % interval over a great many images"
    )
    (axis,) = figure.axes
    name = axis.get_yticklabels()[0].get_text()
    assert name.replace("\n", " ") == long
    assert max(map(len, name.splitlines())) <= 40
    assert max(map(len, axis.get_xlabel().splitlines())) <= 40
    assert axis.get_position().width > 0.4
    assert long in figure.alt_text
