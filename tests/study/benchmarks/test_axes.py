"""The long axes at sizes that take seconds: what they report and how they judge."""

import pytest
import torch

from eiwork_study.benchmarks import memory, nfe, shares, step
from eiwork_study.benchmarks.deepinv_deq import DEEPINV
from eiwork_study.benchmarks.library import Setting
from eiwork_study.benchmarks.ours import OURS
from eiwork_study.benchmarks.search import try_setting

pytestmark = pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
TINY = step.StepSettings(image_size=64, n_views=50, batch=1, repeats=2)


@pytest.fixture(scope="module")
def trials():
    """A loose setting of each library on a tiny step."""
    problem = step.problem(TINY)
    reference = problem.reference(1e-5)
    ours = Setting(OURS, OURS.forward[1], 1e-2, OURS.backward[0], 1e-1)
    theirs = Setting(DEEPINV, DEEPINV.forward[0], 20, DEEPINV.backward[0], 10)
    return {s.library.name: try_setting(s, problem, reference) for s in (ours, theirs)}


def test_a_setting_is_tightened_until_it_is_accurate(trials):
    problem = step.problem(TINY)
    reference = problem.reference(1e-5)
    loose = trials["eiwork"]
    better = step.tighten(loose.setting, problem, reference, loose.error / 4)
    assert better.error <= loose.error / 4
    assert better.total > loose.total
    assert step.tighten(loose.setting, problem, reference, 0.0) is None


def test_runs_are_interleaved_and_timed(trials):
    problem = step.problem(TINY)
    seconds = step.interleaved_seconds({n: (t.setting, problem) for n, t in trials.items()}, 2)
    assert {name: len(values) for name, values in seconds.items()} == {"eiwork": 2, "deepinv": 2}
    assert all(value > 0 for values in seconds.values() for value in values)


def test_both_operators_have_the_geometry_and_the_scale():
    ours, theirs = step.problem(TINY), step.problem(TINY, step.deepinv_operators(TINY))
    assert ours.y.shape == theirs.y.shape
    assert float((ours.y - theirs.y).norm() / ours.y.norm()) < 0.05


def test_memory_is_measured_in_a_fresh_process(trials):
    measured = memory.in_fresh_process(memory.task_of(trials["deepinv"], TINY))
    assert measured["kept_mib"] > 0
    assert measured["peak_growth_mib"] > 1


def test_shares_of_the_step_add_up(trials):
    row = shares.measure(trials["eiwork"], step.problem(TINY))
    assert 0 < row["convolutions"] < 1
    assert row["convolutions"] + row["outside_convolutions"] == pytest.approx(1)
    assert row["activations"] < row["outside_convolutions"]
    assert len(row["largest"]) == 10


def test_problems_are_seeded_single_test_images():
    few, digest = nfe.problems(nfe.NFESettings(n_images=2))
    again, _ = nfe.problems(nfe.NFESettings(n_images=2))
    assert [p.y.shape[0] for p in few] == [1, 1]
    assert all((a.y == b.y).all() and (a.angles == b.angles).all() for a, b in zip(few, again, strict=True))
    assert len(digest) == 64


def test_the_row_of_a_library_holds_its_best_setting():
    settings = nfe.NFESettings(accuracy=0.3, n_search=1, n_images=2)
    every, _ = nfe.problems(settings)
    references = [problem.reference(1e-8) for problem in every]
    pair = (OURS.method("forward", "Anderson(memory=10)"), OURS.method("backward", "GMRES"), 24)
    row = nfe.measure(OURS, "supervised", every, references, [pair], settings)
    assert row["error"] <= 0.3
    assert row["nfe"] >= row["nfe_each"] > 0
    hopeless = nfe.measure(OURS, "supervised", every, references, [], settings)
    assert hopeless["nfe"] is None


def test_the_reference_with_deepinvs_operators_is_in_float64():
    theirs = step.deepinv_operators(TINY)
    problem = step.problem(TINY, theirs, step.SinglePrecision(theirs))
    exact = problem.double()
    assert exact.physics.A_adjoint(exact.y).dtype == torch.float64
    torch.testing.assert_close(exact.physics.A_adjoint(exact.y).float(), theirs.A_adjoint(problem.y))
    torch.testing.assert_close(exact.physics.A(exact.x).float(), problem.y)
