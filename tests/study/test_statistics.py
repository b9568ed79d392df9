"""Statistics against known answers."""

import inspect

import numpy as np
import pytest
from scipy import stats

from eiwork.errors import InputError
from eiwork_study.statistics import gap_closure, mean_interval, mean_over, paired_difference, share_text


def crossed(generator, n_seeds=8, n_images=40, seed_sd=0.5, image_sd=1.0, mean=3.0):
    """Values with effects of seeds and images, whose mean has a known spread."""
    return (
        mean + seed_sd * generator.standard_normal((n_seeds, 1)) + image_sd * generator.standard_normal((1, n_images))
    )


def test_the_interval_of_images_alone_is_the_normal_one():
    values = np.random.default_rng(0).standard_normal((1, 400))
    interval = mean_interval(values)
    half = 1.96 * values.std() / 20
    assert interval.mean == pytest.approx(values.mean())
    assert interval.lower == pytest.approx(values.mean() - half, abs=0.01)
    assert interval.upper == pytest.approx(values.mean() + half, abs=0.01)


def test_intervals_over_seeds_and_images_cover_the_true_mean():
    generator = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        interval = mean_interval(crossed(generator), n_resamples=600, seed=trial)
        covered += interval.lower <= 3.0 <= interval.upper
    # 95 % in the limit; with 8 seeds the percentile interval is a little short.
    assert 0.86 <= covered / 200 <= 0.99


def test_leaving_out_the_seeds_would_be_too_sure_of_itself():
    values = crossed(np.random.default_rng(2), seed_sd=2.0, image_sd=0.1)
    whole, one = mean_interval(values), mean_interval(values[:1])
    assert whole.upper - whole.lower > 5 * (one.upper - one.lower)


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    values = crossed(np.random.default_rng(3))
    assert mean_interval(values, seed=4) == mean_interval(values, seed=4)
    assert mean_interval(values, seed=4) != mean_interval(values, seed=5)


def test_pairing_sees_a_small_difference_among_very_different_images():
    generator = np.random.default_rng(5)
    other = crossed(generator, n_seeds=3, seed_sd=0.0, image_sd=5.0)
    one = other + 0.2 + 0.05 * generator.standard_normal(other.shape)
    found = paired_difference(one, other)
    assert found.interval.lower > 0.15
    assert found.interval.upper < 0.25
    assert found.p_value == pytest.approx(stats.wilcoxon((one - other).mean(axis=0)).pvalue)
    assert (found.n_seeds, found.n_images) == (3, 40)
    alone = mean_interval(one)
    assert alone.lower < other.mean() < alone.upper


def test_the_same_values_do_not_differ():
    values = crossed(np.random.default_rng(6))
    found = paired_difference(values, values)
    assert (found.interval.mean, found.interval.lower, found.interval.upper, found.p_value) == (0, 0, 0, 1.0)


def test_a_method_without_seeds_is_paired_with_every_seed():
    values = crossed(np.random.default_rng(7))
    single = values[:1] - 1.0
    assert paired_difference(values, single).n_seeds == 8
    assert paired_difference(values, single).interval.mean == pytest.approx((values - single).mean())


def test_gap_closure_is_a_share_whose_interval_is_exact_where_the_share_is():
    generator = np.random.default_rng(8)
    inverse = 20 + generator.standard_normal((1, 30))
    gap = 4 + generator.standard_normal((3, 30))
    share = gap_closure(inverse + 0.7 * gap, inverse, inverse + gap)
    assert (share.mean, share.lower, share.upper) == pytest.approx((0.7, 0.7, 0.7))
    noisy = gap_closure(inverse + 0.7 * gap + generator.standard_normal((3, 30)), inverse, inverse + gap)
    assert noisy.lower < noisy.mean < noisy.upper
    assert gap_closure(inverse, inverse, inverse + gap).mean == 0


def test_one_value_per_seed_has_an_interval_over_seeds():
    found = mean_over([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert 1.0 <= found.lower < 2.0 < found.upper <= 3.0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda v: mean_interval(v[:, :0]), "at least one"),
        (lambda v: mean_interval(v * np.nan), "finite"),
        (lambda v: inspect.unwrap(paired_difference)(v, v[:, 1:]), "cannot be paired"),
        (lambda v: inspect.unwrap(paired_difference)(v, v[:2]), "cannot be paired"),
        (lambda v: gap_closure(v, v, v - 1), "no gap to close"),
    ],
)
def test_unusable_values_are_named(call, match):
    with pytest.raises(InputError, match=match):
        call(np.arange(12.0).reshape(3, 4))


def test_nothing_less_than_all_is_a_hundred_percent():
    shares = {
        0.0: "0%",
        0.0001: "0.1%",
        0.004: "0.4%",
        0.25: "25%",
        335 / 336: "99.7%",
        0.9999: "99.9%",
        1.0: "100%",
    }
    assert {share: share_text(share) for share in shares} == shares
