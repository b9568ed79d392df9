"""Residual curves, other curves, and curves of a training run."""

import numpy as np
import pytest
import torch

from eiwork.figures import convergence, lines, training_curves


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


def test_a_batch_is_drawn_as_its_median_with_its_range():
    trace = [torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.1, float("nan"), 0.5])]
    axis = convergence([trace], ["Anderson"]).axes[0]
    assert np.allclose(axis.lines[0].get_ydata(), [2.0, 0.3])
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(0.1)
    assert band.max() == pytest.approx(6.0)


def test_zeros_and_steps_without_samples_leave_gaps_without_a_warning():
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


def test_each_quantity_has_a_panel_with_its_scale_and_baselines():
    series = {"loss": [1.0, 0.5, 0.25], "PSNR (dB)": [20.0, np.nan, 25.0]}
    options = {"log_scale": ["loss"], "baselines": {"PSNR (dB)": {"FBP": 21.0}}, "description": "One run."}
    figure = training_curves([0, 10, 20], series, **options)
    loss, psnr = figure.axes
    assert (loss.get_yscale(), psnr.get_yscale()) == ("log", "linear")
    assert psnr.lines[0].get_xdata().tolist() == [0, 20], "steps that were not measured are left out"
    assert set(psnr.lines[1].get_ydata()) == {21.0}
    assert figure.alt_text == (
        "One run. Training curves. loss: 1 at step 0, 0.25 at step 20; PSNR (dB): 20 at step 0, 25 at step 20; FBP: 21."
    )
