"""Residual curves, other curves, those of a training run, and methods compared."""

import numpy as np
import pytest
import torch

from eiwork.figures import comparison, convergence, lines, training_curves


def test_a_single_trace_is_drawn_as_it_is_from_evaluation_one():
    figure = convergence([[1.0, 0.1, 0.01]], ["Picard"], tolerance=1e-2)
    axis = figure.axes[0]
    curve, tolerance = axis.lines
    assert curve.get_xdata().tolist() == [1, 2, 3]
    assert curve.get_ydata().tolist() == [1.0, 0.1, 0.01]
    assert axis.get_yscale() == "log"
    assert set(tolerance.get_ydata()) == {1e-2}
    assert "Picard: 1 at the start, 0.01 after 3" in figure.alt_text
    assert "the tolerance is 1e-02" in figure.alt_text


def test_a_batch_is_drawn_as_its_median_with_its_range_and_leaves_gaps():
    trace = [torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.1, float("nan"), 0.5])]
    axis = convergence([trace], ["Anderson"]).axes[0]
    assert np.allclose(axis.lines[0].get_ydata(), [2.0, 0.3])
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(0.1)
    assert band.max() == pytest.approx(6.0)
    # Zeros and steps without samples leave gaps, without a warning.
    axis = convergence([[[1.0], [0.0], [np.nan], [0.5]]], ["exact"]).axes[0]
    assert np.array_equal(axis.lines[0].get_ydata(), [1.0, np.nan, np.nan, 0.5], equal_nan=True)


def test_lines_draw_each_series_on_the_chosen_axes():
    series = {"unrolled": [1.0, 10.0], "implicit": [2.0, 2.0]}
    figure = lines([20, 200], series, x_label="iterations", y_label="memory (MB)", log_x=True, log_y=True)
    axis = figure.axes[0]
    assert [line.get_ydata().tolist() for line in axis.lines] == [[1.0, 10.0], [2.0, 2.0]]
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert "unrolled: 1 at 20, 10 at 200; implicit: 2 at 20, 2 at 200" in figure.alt_text
    assert lines([1, 2], {"a": [0.0, 1.0]}, x_label="x", y_label="y").axes[0].get_yscale() == "linear"


def test_each_quantity_has_a_panel_with_its_scale():
    series = {"loss": [1.0, 0.5, 0.25], "PSNR (dB)": [20.0, np.nan, 25.0]}
    figure = training_curves([0, 10, 20], series, log_scale=["loss"], description="One run.")
    loss, psnr = figure.axes
    assert (loss.get_yscale(), psnr.get_yscale()) == ("log", "linear")
    assert psnr.lines[0].get_xdata().tolist() == [0, 20], "steps that were not measured are left out"
    assert figure.alt_text == (
        "One run. Training curves. loss: 1 at step 0, 0.25 at step 20; PSNR (dB): 20 at step 0, 25 at step 20."
    )


def test_rows_show_centres_points_and_the_reference():
    points = [[19.5, 20.5], [24.0, 26.0]]
    figure = comparison(["FBP", "DEQ"], [20.0, 25.0], points=points, reference=("supervised", 26.5))
    axis = figure.axes[0]
    drawn = [np.asarray(line.get_xdata()).ravel().tolist() for line in axis.lines]
    assert drawn == [[19.5, 20.5], [20.0], [24.0, 26.0], [25.0], [26.5, 26.5]]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["FBP", "DEQ"]
    assert axis.get_ylim() == (1.5, -0.5), "the first method is on top"
    assert figure.alt_text == "Comparison in PSNR (dB): FBP 20; DEQ 25; supervised 26.5 as a reference line."
    figure = comparison(["a"], [1.0], quantity="time (s)")
    assert len(figure.axes[0].lines) == 1
    assert figure.alt_text == "Comparison in time (s): a 1."


def test_long_names_leave_room_for_the_values():
    long = "a method whose name alone would take the whole width of the figure and more"
    figure = comparison([long, "short"], [1.0, 2.0], quantity=f"PSNR of {long}")
    (axis,) = figure.axes
    name = axis.get_yticklabels()[0].get_text()
    assert name.replace("\n", " ") == long
    assert max(map(len, name.splitlines())) <= 40
    assert max(map(len, axis.get_xlabel().splitlines())) <= 40
    assert axis.get_position().width > 0.4
    assert long in figure.alt_text
