"""Intervals, comparisons, the one rule, and tables."""

import numpy as np
import pytest
from scipy import stats

from eiwork import results
from eiwork.errors import InputError
from eiwork.results import Interval, Runs, mean_interval, student_interval, verdict_of
from eiwork.results.verdict import closure_interval, share_text

ABOVE, BELOW, ACROSS = Interval(1.0, 0.5, 1.5), Interval(-1.0, -1.5, -0.5), Interval(0.1, -0.5, 0.7)


@pytest.mark.parametrize(
    ("interval", "over_trainings", "n", "verdict"),
    [
        (ABOVE, ABOVE, 3, "supported"),
        (BELOW, BELOW, 3, "not supported"),
        *((side, ACROSS, 3, "open") for side in (ABOVE, BELOW)),
        *((ACROSS, side, 3, "open") for side in (ABOVE, BELOW)),
        *((side, side, 2, "open") for side in (ABOVE, BELOW)),
        *((side, None, 1, "open") for side in (ABOVE, BELOW)),
    ],
)
def test_the_rule_is_the_same_on_both_sides(interval, over_trainings, n, verdict):
    assert verdict_of(interval, over_trainings, n) == verdict


def test_a_comparison_pairs_the_seeds_that_both_have(small_study):
    runs = Runs(small_study)
    found = results.compare(runs.get("ct", "ei"), runs.get("ct", "ei-jfb"))
    assert (found.n_trainings, found.n_images) == (3, 20)
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


def test_gap_closure_has_one_oracle_for_all_and_counts_from_cg_sense_where_there_are_coils(small_study, run_of):
    runs = Runs(small_study)
    found = results.gap_closure("ei-jfb", "ct", runs=runs)
    assert found.n_trainings == 4, "trainings without a partner of the same seed count, too"
    assert found.interval.mean == pytest.approx(np.mean([5, 5.15, 5.2, 5.3]) / 8)
    first = results.gap_closure("ei@bodies", "ct", runs=runs)
    assert first.interval.mean == pytest.approx(7 / 8), "the same oracle after another start"
    assert first.verdict == "open"
    coils = Runs((*small_study, run_of("cg-sense", 0, 26.0, parameters=0)))
    assert results.gap_closure("ei@bodies", "ct", runs=coils).interval.mean == pytest.approx(5 / 6)


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
    # The oracle's own luck is in the interval, too.
    own, low = np.full((1, 4), 27.0), np.full((1, 4), 24.0)
    found = closure_interval(own, low, np.array([[29.0] * 4, [31.0] * 4]))
    assert (found.lower, found.upper) == pytest.approx((3 / 7, 3 / 5))


ONES = np.ones((1, 3))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda runs, _: runs.values("mse"), "choose psnr or ssim"),
        (lambda runs, other: results.compare(runs.get("ct", "ei"), Runs([other("mc", seed=9)])), "nothing to pair"),
        (lambda runs, other: results.compare(runs.get("ct", "ei"), Runs([other("mc", problem="mri")])), "to pair"),
        (lambda *_: mean_interval(np.zeros((0, 3))), "finite values"),
        (lambda *_: mean_interval(np.zeros((2, 0))), "finite values"),
        (lambda *_: mean_interval(np.array([[1.0, np.nan]])), "finite values"),
        (lambda *_: closure_interval(ONES, np.zeros((1, 4)), np.ones((1, 4))), "same test images"),
        (lambda *_: closure_interval(ONES, ONES, 0 * ONES), "no gap to close"),
        (lambda runs, _: results.table("ct", ["tv"], runs=runs), "no run of 'tv'"),
        (lambda runs, _: results.table("pet", runs=runs), "no run of problem 'pet'"),
    ],
)
def test_what_says_nothing_is_refused(small_study, run_of, call, told):
    with pytest.raises(InputError, match=told):
        call(Runs(small_study), run_of)


def test_a_table_has_a_row_for_every_method_without_a_variant(small_study):
    table = results.table("ct", runs=Runs(small_study))
    assert [row["label"] for row in table.rows] == ["inverse", "supervised", "ei", "ei@bodies", "ei-jfb"]
    linear, _, ei, after, free = table.rows
    assert (ei["trainings"], ei["NFE"], ei["most NFE"], ei["converged"]) == (3, 11, 12, "100%")
    assert ei["gap closure"] == pytest.approx(6.1 / 8)
    assert ei["minus EI"] is None
    assert after["method"] == "EI, random bodies first (ours)"
    assert free["minus EI"].endswith("3 trainings: not supported")
    assert (linear["trainings"], linear["NFE"]) == (0, None)
    assert "ct, 20 test images" in repr(table)
    assert "<caption>ct, 20 test images</caption>" in table._repr_html_()


def test_rows_can_be_chosen_and_sorted(small_study, run_of):
    runs = Runs(small_study)
    table = results.table("ct", ["ei-jfb", "inverse", "ei"], sort="PSNR (dB)", runs=runs)
    assert [row["label"] for row in table.rows] == ["ei", "ei-jfb", "inverse"]
    by_nfe = results.table("ct", ["inverse", "ei"], sort="NFE", runs=runs)
    assert [row["label"] for row in by_nfe.rows] == ["ei", "inverse"], "rows without the number come last"
    # A method without partner or oracle still has a row.
    row = results.table("ct", ["mc"], runs=Runs((run_of("mc", seed=7), run_of("ei", seed=0)))).rows[0]
    assert (row["gap closure"], row["minus EI"]) == (None, None)


def test_a_ledger_has_a_verdict_for_each_number(small_study):
    runs = Runs(small_study)
    numbers = [results.compare(runs.get("ct", "ei"), runs.get("ct", other)) for other in ("ei-jfb", "ei@bodies")]
    table = results.ledger({"implicit wins": numbers[:1], "bodies lose": numbers[1:]})
    assert [list(row.values()) for row in table.rows] == [
        ["implicit wins", "ct: ei - ei-jfb", "+0.98 dB [+0.91, +1.06], 3 trainings", "supported"],
        ["bodies lose", "ct: ei - ei@bodies", "-1.00 dB [-1.00, -1.00], 1 training", "open"],
    ]


def test_a_share_never_says_all_of_less():
    shares = {1.0: "100%", 0.9999: "99.9%", 0.0: "0%", 0.0001: "0.1%", 0.5: "50%"}
    assert {share: share_text(share) for share in shares} == shares
