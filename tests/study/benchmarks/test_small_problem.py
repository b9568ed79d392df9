"""The problem with a known answer: its radius, its dense gradients, and what libraries do beyond the ordinary."""

import pytest
import torch

from eiwork.analysis import compare_gradients
from eiwork.errors import InputError
from eiwork_study.benchmarks.accuracy import AccuracySettings, run
from eiwork_study.benchmarks.behaviour import diverging_map, second_derivative_error
from eiwork_study.benchmarks.deepinv_deq import DEEPINV
from eiwork_study.benchmarks.ours import OURS
from eiwork_study.benchmarks.small_problem import dense_gradient, small_problem, spectral_radius


@pytest.mark.parametrize("radius", [0.75, 0.98])
def test_the_radius_is_the_one_asked_for(radius):
    assert 1 - spectral_radius(small_problem(radius)) == pytest.approx(1 - radius, rel=0.02)


def test_a_radius_outside_the_open_interval_is_refused():
    with pytest.raises(InputError, match=r"between 0\.5 and 1"):
        small_problem(1.0)


@pytest.mark.parametrize("loss", ["supervised", "ei"])
def test_the_dense_gradient_is_that_of_the_adjoint_solve(loss):
    problem = small_problem(0.75).with_loss(loss)
    error = compare_gradients(problem.reference(1e-12), dense_gradient(problem)).relative_error
    assert error < 1e-9


@pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
def test_the_accuracy_axis_compares_and_judges():
    outcome = run([OURS, DEEPINV], AccuracySettings(radii=(0.75,), budget=20))
    assert [(row["library"], row["loss"]) for row in outcome.rows] == [
        ("eiwork", "supervised"),
        ("deepinv", "supervised"),
        ("eiwork", "ei"),
        ("deepinv", "ei"),
    ]
    assert all(0 < row["budget_error"] < row["default_error"] for row in outcome.rows if row["library"] == "eiwork")
    ours, theirs = outcome.settings["behaviour"]
    assert ours["scale_change"] < 1e-6 < theirs["scale_change"]
    assert len(outcome.bars) == 6


def test_a_diverging_map_is_told_by_ours_and_not_by_deepinv():
    ours, theirs = diverging_map(OURS), diverging_map(DEEPINV)
    assert ours["diverging_told_after"] <= 100
    assert ours["diverging_finite"]
    assert theirs["diverging_said"] == "silent"
    assert theirs["diverging_told_after"] is None


def test_second_derivatives_of_deepinv_are_silently_wrong():
    problem = small_problem(0.75)
    forward, backward = DEEPINV.forward[0].solver(300), DEEPINV.backward[0].solver(300)
    error, said = second_derivative_error(
        problem, lambda: DEEPINV.compose(forward, backward, problem.counted_denoiser, problem.step_size)
    )
    assert said == "silent"
    assert error > 0.01
    assert torch.isfinite(torch.tensor(error))
