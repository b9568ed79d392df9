"""Intervals against closed forms, a slow bootstrap, and how often they cover."""

import numpy as np
import pytest
from scipy import stats

from eiwork.errors import InputError
from eiwork.results.verdict import closure_interval, mean_interval, student_interval


def test_one_training_gives_the_percentile_bootstrap_of_the_images():
    values = np.random.default_rng(0).normal(size=(1, 400))
    found = mean_interval(values)
    reach = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert (found.lower, found.upper) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.02)


def test_the_crossed_bootstrap_resamples_trainings_and_images_each_on_its_own():
    draw = np.random.default_rng(1)
    values = draw.normal(0, 1, (6, 1)) + draw.normal(0, 1, (1, 30)) + draw.normal(0, 0.1, (6, 30))
    means = []
    for _ in range(4000):
        t, i = draw.integers(6, size=6), draw.integers(30, size=30)
        means.append(values[np.ix_(t, i)].mean())
    found = mean_interval(values)
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.05)


def test_student_s_interval_is_scipy_s():
    values = [1.0, 1.3, 0.8, 1.1]
    found = student_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.lower, found.upper) == pytest.approx((low, high))
    assert student_interval([1.0]) is None


def test_closure_is_the_share_of_the_gap_whatever_the_numbers_of_trainings():
    ups = np.linspace(-1, 1, 20)
    own, low, high = 27 + ups[None] + np.zeros((3, 1)), 24 + ups[None], 30 + ups[None] + np.zeros((5, 1))
    found = closure_interval(own, low, high)
    # Images are resampled jointly, so that their difficulty drops out.
    assert (found.mean, found.lower, found.upper) == pytest.approx((0.5, 0.5, 0.5))


def test_the_oracle_s_own_luck_is_in_the_interval_of_closure():
    own, low = np.full((1, 4), 27.0), np.full((1, 4), 24.0)
    found = closure_interval(own, low, np.array([[29.0] * 4, [31.0] * 4]))
    assert (found.lower, found.upper) == pytest.approx((3 / 7, 3 / 5))


@pytest.mark.parametrize("values", [np.zeros((0, 3)), np.zeros((2, 0)), np.array([[1.0, np.nan]])])
def test_values_that_say_nothing_are_refused(values):
    with pytest.raises(InputError, match="finite values"):
        mean_interval(values)


def test_a_gap_needs_the_same_images_and_an_oracle_above_the_inverse():
    with pytest.raises(InputError, match="same test images"):
        closure_interval(np.ones((1, 3)), np.zeros((1, 4)), np.ones((1, 4)))
    with pytest.raises(InputError, match="no gap to close"):
        closure_interval(np.ones((1, 3)), np.ones((1, 3)), np.zeros((1, 3)))
