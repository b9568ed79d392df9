"""Standard errors and intervals."""

import math

import pytest
import torch
from fields import generator
from scipy import stats

from eiwork.analysis import Estimate, interval_over_seeds
from eiwork.analysis.estimate import jackknife
from eiwork.errors import InputError


def test_the_jackknife_of_a_mean_is_its_standard_error():
    draws = torch.randn(20, 3, 1, dtype=torch.float64, generator=generator())
    estimate = jackknife(lambda m: m[..., 0], draws)
    torch.testing.assert_close(estimate.value, draws.mean(dim=0)[:, 0])
    torch.testing.assert_close(estimate.standard_error, draws.std(dim=0)[:, 0] / math.sqrt(20))


def test_the_jackknife_covers_a_ratio():
    draws = 1 + torch.rand(50, 2000, 2, dtype=torch.float64, generator=generator())
    estimate = jackknife(lambda m: (m[..., 0] / m[..., 1]).sqrt(), draws)
    inside = (estimate.value - 1).abs() < 1.96 * estimate.standard_error
    assert 0.92 < float(inside.double().mean()) < 0.97
    with pytest.raises(InputError, match="two random draws"):
        jackknife(lambda m: m[..., 0], draws[:1])


def test_json_gives_mean_and_every_image():
    found = Estimate(torch.tensor([1.0, 3.0]), torch.tensor([0.1, 0.2])).json()
    assert found["mean"] == 2
    assert found["standard_error"] == pytest.approx(1.0)
    assert found["per_image"] == [1.0, 3.0]
    single = Estimate(torch.tensor([1.0]), torch.tensor([0.25])).json()
    assert single["standard_error"] == 0.25
    assert Estimate.exact(torch.ones(2)).standard_error.tolist() == [0, 0]


def test_an_interval_over_seeds_is_students():
    seeds = [[1.0, 2.0, 3.0], [2.0, 4.0], [5.0]]
    means = [2.0, 3.0, 5.0]
    found = interval_over_seeds(seeds)
    low, high = stats.t.interval(0.95, 2, loc=sum(means) / 3, scale=stats.sem(means))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert interval_over_seeds(seeds, level=0.5).high < found.high
    with pytest.raises(InputError, match="two of them"):
        interval_over_seeds(seeds[:1])
    with pytest.raises(InputError, match="probability"):
        interval_over_seeds(seeds, level=1.0)
