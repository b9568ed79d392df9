"""The problem with a known answer: its radius, its dense gradients, and what libraries do with it."""

from dataclasses import replace

import pytest
import torch

import eiwork
from eiwork.analysis import compare_gradients
from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson
from eiwork_study.benchmarks.accuracy import diverging_map, run, second_derivative_error
from eiwork_study.benchmarks.libraries import DEEPINV, OURS, libraries
from eiwork_study.benchmarks.problem import CountedDenoiser, Evaluations, dense_gradient, small_problem, spectral_radius

# deepinv says of every plug-and-play prior that it has no objective.
pytestmark = pytest.mark.filterwarnings("ignore:No explicit prior:UserWarning")
LIBRARIES = {library.name: library for library in libraries()}


@pytest.fixture(scope="module")
def problem():
    return small_problem(0.75)


def test_the_radius_is_the_one_asked_for_inside_the_open_interval():
    assert 1 - spectral_radius(small_problem(0.98)) == pytest.approx(0.02, rel=0.02)
    with pytest.raises(InputError, match=r"between 0\.5 and 1"):
        small_problem(1.0)


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("loss", ["supervised", "ei"])
def test_every_library_gives_the_dense_gradient_and_is_counted(problem, name, loss):
    own, library = problem.changed(loss=loss), LIBRARIES[name]
    gradient = own.gradient(library.compose(*library.tolerance(1e-10), own.counted_denoiser))
    assert compare_gradients(gradient, dense_gradient(own)).relative_error < 1e-5
    assert own.evaluations.forward > 10
    assert own.evaluations.backward > 3


def test_ours_is_counted_as_it_reports_itself(problem):
    model = OURS.compose(Anderson(tol=1e-6, max_iter=100), GMRES(tol=1e-6), problem.counted_denoiser)
    with eiwork.record() as reports:
        problem.gradient(model)
    forward, adjoint = reports
    # One more evaluation is the tracked one; one more backward pass is the one that ends in the weights.
    assert problem.evaluations.forward == forward.n_evaluations + 1
    assert problem.evaluations.backward == adjoint.n_evaluations + 1


def test_counting_changes_neither_value_nor_gradient(problem):
    count = Evaluations()
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    counted, plain = CountedDenoiser(problem.denoiser, count)(x, 0.1), problem.denoiser(x)
    assert torch.equal(counted, plain)
    (a,), (b,) = (torch.autograd.grad(out.square().sum(), x) for out in (counted, plain))
    assert torch.equal(a, b)
    assert (count.forward, count.backward) == (1, 1)


@pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
def test_the_comparison_judges_our_own_errors():
    plain = {"accurate": DEEPINV.tolerance(1e-6)[0], "budget": lambda n: {"plain": DEEPINV.budget(n)["plain"]}}
    found = run([OURS, replace(DEEPINV, **plain)], radii=(0.75,), budget=20)
    pairs = [(library, loss) for loss in ("supervised", "ei") for library in ("eiwork", "deepinv")]
    assert [(row["library"], row["loss"]) for row in found["rows"]] == pairs
    assert all(0 < row["budget_error"] < row["default_error"] for row in found["rows"] if row["library"] == "eiwork")
    ours, theirs = found["behaviour"]
    assert ours["scale_change"] < 1e-6 < theirs["scale_change"]
    assert len(found["requirement"]["at_most"]) == 6
    bars = found["requirement"]["at_most"].values()
    assert found["requirement"]["passed"] == all(b["value"] is not None and b["value"] <= b["limit"] for b in bars)


def test_diverging_maps_are_told_by_ours_alone_and_second_derivatives_of_deepinv_are_silently_wrong(problem):
    ours, theirs = diverging_map(OURS), diverging_map(DEEPINV)
    assert ours["diverging_told_after"] <= 100
    assert ours["diverging_finite"]
    assert theirs["diverging_said"] == "silent"
    assert theirs["diverging_told_after"] is None
    forward, backward = DEEPINV.accurate, DEEPINV.budget(300)["plain"]
    error, said = second_derivative_error(problem, lambda: DEEPINV.compose(forward, backward, problem.counted_denoiser))
    assert said == "silent"
    assert not error < 0.01
