"""Comparisons and the one rule."""

import numpy as np
import pytest

from eiwork import results
from eiwork.errors import InputError
from eiwork.results import Interval, Runs, verdict_of

ABOVE, BELOW, ACROSS = Interval(1.0, 0.5, 1.5), Interval(-1.0, -1.5, -0.5), Interval(0.1, -0.5, 0.7)


@pytest.mark.parametrize(
    ("interval", "over_trainings", "n", "verdict"),
    [
        (ABOVE, ABOVE, 3, "supported"),
        (BELOW, BELOW, 3, "not supported"),
        (ABOVE, ACROSS, 3, "open"),
        (ACROSS, ABOVE, 3, "open"),
        (BELOW, ACROSS, 3, "open"),
        (ACROSS, BELOW, 3, "open"),
        (ABOVE, ABOVE, 2, "open"),
        (BELOW, BELOW, 2, "open"),
        (ABOVE, None, 1, "open"),
        (BELOW, None, 1, "open"),
    ],
)
def test_the_rule_is_the_same_on_both_sides(interval, over_trainings, n, verdict):
    assert verdict_of(interval, over_trainings, n) == verdict


def test_a_comparison_pairs_the_seeds_that_both_have(small_study):
    runs = Runs(small_study)
    found = results.compare(runs.get("ct", "ei"), runs.get("ct", "ei-jfb"))
    assert found.n_trainings == 3
    assert found.n_images == 20
    assert found.interval.mean == pytest.approx(1 - 0.05 / 3)
    assert found.verdict == "supported"
    # The text shows the outer ends of both intervals, from which the verdict can be read.
    assert found.text == "+0.98 dB [+0.91, +1.06], 3 trainings: supported"
    assert repr(found) == f"ct: ei - ei-jfb: {found.text}"


def test_one_reconstruction_without_training_serves_every_seed(small_study):
    runs = Runs(small_study)
    found = results.compare(runs.get("ct", "ei"), runs.get("ct", "inverse"))
    assert found.n_trainings == 3
    assert found.interval.mean == pytest.approx(6.1)
    backwards = results.compare(runs.get("ct", "inverse"), runs.get("ct", "ei"))
    assert backwards.interval.mean == pytest.approx(-6.1)
    assert backwards.verdict == "not supported"


def test_trainings_without_a_common_seed_or_problem_are_refused(small_study, run_of):
    own = Runs(small_study).get("ct", "ei")
    for other in (run_of("mc", seed=9), run_of("mc", problem="mri")):
        with pytest.raises(InputError, match="nothing to pair"):
            results.compare(own, Runs([other]))


def test_gap_closure_has_one_oracle_for_all(small_study):
    runs = Runs(small_study)
    found = results.gap_closure("ei-jfb", "ct", runs=runs)
    assert found.n_trainings == 4, "trainings without a partner of the same seed count, too"
    assert found.interval.mean == pytest.approx(np.mean([5, 5.15, 5.2, 5.3]) / 8)
    first = results.gap_closure("ei@bodies", "ct", runs=runs)
    assert first.interval.mean == pytest.approx(7 / 8), "the same oracle after another start"
    assert first.verdict == "open"


def test_gap_closure_counts_from_cg_sense_where_there_are_coils(small_study, run_of):
    runs = Runs((*small_study, run_of("cg-sense", 0, 26.0, parameters=0)))
    assert results.gap_closure("ei@bodies", "ct", runs=runs).interval.mean == pytest.approx(5 / 6)


def test_ssim_has_no_unit(small_study):
    runs = Runs(small_study)
    found = results.compare(runs.get("ct", "ei"), runs.get("ct", "ei-jfb"), quantity="ssim")
    assert found.text == "+0.00 [+0.00, +0.00], 3 trainings: open"
    with pytest.raises(InputError, match="choose psnr or ssim"):
        results.compare(runs.get("ct", "ei"), runs.get("ct", "ei-jfb"), quantity="mse")
