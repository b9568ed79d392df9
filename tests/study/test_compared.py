"""Two methods compared on the seeds and images that both have."""

import numpy as np
import pytest

from eiwork.errors import InputError
from eiwork_study import Collection
from eiwork_study.compared import all_differences, closure, common_values, difference, student_interval


@pytest.fixture
def collected(make_result):
    """A collection of made-up results, each (method, seed, psnr)."""

    def make(*runs, problem="mri", **fields):
        results = [make_result(method, seed, psnr, problem, **fields) for method, seed, psnr in runs]
        return Collection({(r.problem, r.method, r.seed): r for r in results})

    return make


def test_students_interval_is_that_of_the_table():
    interval = student_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.upper - 2.0 == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    assert interval.lower == pytest.approx(4.0 - interval.upper)
    assert student_interval([1.0]) is None


def test_seeds_that_one_lacks_are_left_out(collected):
    collection = collected(
        ("ei", 0, (20.0, 21.0)),
        ("ei", 1, (22.0, 23.0)),
        ("ei", 2, (0.0, 0.0)),
        ("mc", 0, (19.0, 19.0)),
        ("mc", 1, (1, 2)),
    )
    ei, mc = common_values(collection, "mri", ("ei", "mc"))
    assert ei.tolist() == [[20, 21], [22, 23]]
    assert mc.tolist() == [[19, 19], [1, 2]]
    found = difference(collection, "mri", "ei", "mc")
    assert (found.n_seeds, found.n_images, found.name) == (2, 2, "mri: ei - mc")
    assert found.interval.mean == found.over_seeds.mean == pytest.approx((1 + 2 + 21 + 21) / 4)


def test_a_method_without_training_serves_every_seed(collected):
    collection = collected(("ei", 0, (20.0, 21.0)), ("ei", 4, (22.0, 23.0)), ("inverse", 0, (19.0, 20.0)))
    found = difference(collection, "mri", "ei", "inverse")
    assert found.n_seeds == 2
    assert found.interval.mean == pytest.approx(2.0)
    assert found.verdict == "partly", "two seeds: Student's interval is wide"


def test_trainings_are_never_shared_between_seeds(collected):
    collection = collected(("ei", 0, (20.0, 21.0)), ("mc", 1, (19.0, 20.0)))
    assert difference(collection, "mri", "ei", "mc") is None
    assert difference(collection, "mri", "ei", "missing") is None
    assert all_differences(collection, "ei", ["mc", "missing"]) == ()


def test_ssim_has_no_unit_and_other_quantities_are_refused(collected):
    collection = collected(("ei", 0, (20.0, 21.0)), ("mc", 0, (19.0, 20.0)), ssim=[0.5, 0.6])
    (found,) = all_differences(collection, "ei", ["mc"], "SSIM")
    assert (found.unit, found.interval.mean, found.over_seeds) == ("", 0.0, None)
    with pytest.raises(InputError, match="no quantity 'speed'"):
        common_values(collection, "mri", ("ei",), "speed")


def test_gap_closure_by_seed(collected):
    collection = collected(
        ("ei", 0, (15.0, 15.0)),
        ("ei", 1, (18.0, 18.0)),
        ("supervised", 0, (20.0, 20.0)),
        ("supervised", 1, (20.0, 20.0)),
        ("inverse", 0, (10.0, 10.0)),
    )
    found = closure(collection, "mri", "ei")
    assert found.interval.mean == found.over_seeds.mean == pytest.approx(0.65)
    assert found.interval.lower == pytest.approx(0.5)
    assert closure(collection, "mri", "mc") is None


def test_twice_as_long_a_training_has_an_oracle_as_long(collected):
    runs = [("inverse", 0, (10.0,)), ("supervised", 0, (20.0,)), ("ei-long", 0, (19.0,))]
    assert closure(collected(*runs), "mri", "ei-long") is None
    found = closure(collected(*runs, ("supervised-long", 0, (22.0,))), "mri", "ei-long")
    assert found.interval.mean == pytest.approx(0.75)
