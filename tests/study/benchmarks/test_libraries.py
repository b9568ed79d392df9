"""Every library computes the gradient of the same problem, and is counted and searched in the same way."""

import pytest
import torch

from eiwork.analysis import compare_gradients
from eiwork.fixed_point import GMRES, Anderson, Picard
from eiwork_study.benchmarks.counting import CountedDenoiser, Evaluations
from eiwork_study.benchmarks.deepinv_deq import DEEPINV
from eiwork_study.benchmarks.installed import libraries
from eiwork_study.benchmarks.library import Setting
from eiwork_study.benchmarks.ours import OURS
from eiwork_study.benchmarks.search import Search, first_success, try_setting

LIBRARIES = {library.name: library for library in libraries()}


def setting(library, accuracy=1e-9):
    """Some accurate setting of a library that does not extrapolate."""
    forward, backward = library.forward[0], library.backward[0]
    if library.name == "deepinv":
        return Setting(library, forward, 160, backward, 160)
    return Setting(library, forward, forward.levels[-1], backward, backward.levels[-1])


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("loss", ["supervised", "ei"])
def test_every_library_gives_the_same_gradient(small, name, loss):
    problem = small.with_loss(loss)
    trial = try_setting(setting(LIBRARIES[name]), problem, problem.reference(1e-11))
    assert trial.error < 1e-5
    assert trial.forward > 10
    assert trial.backward > 10


def test_ours_is_counted_as_it_reports_itself(small):
    model = OURS.compose(Anderson(tol=1e-6, max_iter=100), GMRES(tol=1e-6), small.counted_denoiser, small.step_size)
    import eiwork

    with eiwork.record() as reports:
        small.gradient(model)
    forward, adjoint = reports
    # One more evaluation is the tracked one; one more backward pass is the one that ends in the weights.
    assert small.evaluations.forward == forward.n_evaluations + 1
    assert small.evaluations.backward == adjoint.n_evaluations + 1


def test_deepinv_is_counted_with_its_two_additional_evaluations(small):
    method, backward = DEEPINV.forward[0], DEEPINV.backward[0]
    small.gradient(Setting(DEEPINV, method, 7, backward, 5).model(small.counted_denoiser, small.step_size))
    assert (small.evaluations.forward, small.evaluations.backward) == (7 + 2, 5 + 1)


def test_counting_changes_neither_value_nor_gradient(small):
    count = Evaluations()
    x = torch.rand(1, 2, 16, 16, dtype=torch.float64, requires_grad=True)
    counted, plain = CountedDenoiser(small.denoiser, count)(x, 0.1), small.denoiser(x)
    assert torch.equal(counted, plain)
    (a,), (b,) = (torch.autograd.grad(out.square().sum(), x) for out in (counted, plain))
    assert torch.equal(a, b)
    assert (count.forward, count.backward, count.total) == (1, 1, 2)
    count.reset()
    assert count.total == 0


def test_an_accurate_level_costs_more_and_errs_less(small):
    reference = small.reference(1e-11)
    method, backward = OURS.method("forward", "Anderson(memory=10)"), OURS.method("backward", "GMRES")
    loose = try_setting(Setting(OURS, method, 1e-2, backward, 1e-2), small, reference)
    tight = try_setting(Setting(OURS, method, 1e-6, backward, 1e-6), small, reference)
    assert tight.total > loose.total
    assert tight.error < 1e-2 * loose.error


def test_a_search_finds_the_cheapest_pair_that_is_accurate_enough(small):
    search = Search(OURS, small, small.reference(1e-11), 1e-4)
    method, backward = OURS.method("forward", "Anderson(memory=10)"), OURS.method("backward", "GMRES")
    assert search.best() is None
    search.pair(method, backward, 40)
    best = search.best()
    assert best.error <= 1e-4
    assert all(trial.error > 1e-4 for trial in search.trials.values() if trial.total < best.total)


def test_a_library_that_fails_counts_as_infinitely_wrong(small):
    method = OURS.method("forward", "Picard")
    with torch.no_grad():
        small.denoiser.network[-1].weight.fill_(float("nan"))
    trial = try_setting(Setting(OURS, method, 1e-2, OURS.backward[0], 1e-2), small, [torch.ones(1)])
    assert trial.error == float("inf")


@pytest.mark.parametrize(("threshold", "n"), [(0, 20), (7, 20), (19, 20), (3, 4), (0, 1)])
def test_first_success_is_the_smallest_index(threshold, n):
    assert first_success(n, lambda i: i >= threshold) == threshold


def test_first_success_forgives_a_method_that_gets_worse_again():
    assert first_success(50, lambda i: 10 <= i < 20) == 10
    assert first_success(50, lambda _: False) is None


def test_loss_scale_and_float64_copies(small):
    from eiwork_study.benchmarks.small_problem import scaled

    model = OURS.compose(Picard(tol=1e-12, max_iter=500), GMRES(tol=1e-10), small.denoiser, small.step_size)
    half = scaled(small, 0.5)
    a, b = small.gradient(model), half.gradient(model)
    assert compare_gradients([2 * g for g in b], a).relative_error < 1e-12
    assert small.double().denoiser is not small.denoiser
