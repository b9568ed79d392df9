"""A guarded DEQ: the trained operator where it converges, a milder one elsewhere, and one honest report."""

import warnings
from dataclasses import replace
from functools import partial

import pytest
import torch
from iteration_problems import ITERATIONS, PHYSICS, SIZE, LinearDenoiser
from torch import nn

from eiwork import Anderson, Picard, record
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.models import DEQ, Attempt, GuardedDEQ
from eiwork.models.guarded import Blended

SOLVER = Anderson(tol=1e-8, max_iter=60)
TWO = (Attempt(1.0), Attempt(0.0))


class Steep(nn.Module):
    """D(x) = gain * x for dim images, and far steeper and not smooth for bright ones."""

    def __init__(self, gain=0.5):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain, dtype=torch.float64))

    def forward(self, x):
        bright = x.abs().amax(dim=(1, 2, 3), keepdim=True) > 2
        return torch.where(bright, -3.0 * x.sign() * (1 + torch.sin(40 * x)), self.gain * x)


def steep(tol=1e-8):
    return DEQ(ITERATIONS["proximal_gradient"](Steep()), replace(SOLVER, tol=tol))


def measured(*scales):
    """An operator, and measurements of random images of these scales: above 4 no fixed point is found."""
    x = torch.rand(len(scales), 1, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    physics = PHYSICS["inpainting"]()
    return physics, physics(x * torch.tensor(scales, dtype=torch.float64)[:, None, None, None])


def residual_of(model, weight, z, y, physics):
    """Relative residuals (batch,) of the operator that was blended with a weight."""
    blended = ITERATIONS["proximal_gradient"](Blended(model.iterate.denoiser, weight))
    return (blended(z, y, physics) - z).flatten(1).norm(dim=1) / z.flatten(1).norm(dim=1)


@pytest.mark.parametrize("iteration", ["proximal_gradient", "half_quadratic_splitting", "admm"])
def test_a_scan_that_the_trained_operator_solves_is_left_alone(iteration):
    torch.manual_seed(0)
    physics, y = measured(1.0, 2.0)
    model = DEQ(ITERATIONS[iteration](LinearDenoiser(1)), SOLVER)
    assert GuardedDEQ(model).solve(y, physics).weights.tolist() == [1.0, 1.0]
    with torch.no_grad():
        assert torch.equal(GuardedDEQ(model)(y, physics), model(y, physics))


def test_samples_without_a_fixed_point_get_a_milder_operator_and_the_others_nothing():
    model, (physics, y) = steep(), measured(1.0, 50.0, 0.5)
    with pytest.warns(ConvergenceWarning), record() as reports:
        alone = model.solve(y, physics)
    assert alone.converged.tolist() == [True, False, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = GuardedDEQ(model).solve(y, physics)
    assert len(reports) == 1, "the guard hides its own solves and no others"
    assert found.converged.all()
    assert found.weights[0] == found.weights[2] == 1 > found.weights[1]
    for sample in (0, 2):
        assert torch.equal(found.value[sample], alone.value[sample])
    assert residual_of(model, float(found.weights[1]), found.value, y, physics)[1] < 2 * SOLVER.tol


@pytest.mark.parametrize("iteration", ["proximal_gradient", "half_quadratic_splitting"])
def test_without_any_trained_part_there_is_always_a_fixed_point(iteration):
    class Wild(nn.Module):
        def forward(self, x):
            return 5 * torch.sin(30 * x) + 1

    physics, y = measured(1.0)
    found = GuardedDEQ(DEQ(ITERATIONS[iteration](Wild()), SOLVER), TWO).solve(y, physics)
    assert found.converged.all()
    assert float(found.weights) == 0


def test_a_sample_whose_values_are_not_finite_ends_its_own_attempt_alone():
    class Bursting(Steep):
        def forward(self, x):
            bright = x.abs().amax(dim=(1, 2, 3), keepdim=True) > 2
            return torch.where(bright, 3 * x / (x.abs().amax() < 80), self.gain * x)

    physics, y = measured(1.0, 50.0, 0.5)
    model = DEQ(ITERATIONS["proximal_gradient"](Bursting()), Picard(tol=1e-8, max_iter=100))
    with pytest.raises(ConvergenceError, match="non-finite values for 1 of 3"):
        model.solve(y, physics)
    found = GuardedDEQ(model, TWO).solve(y, physics)
    assert found.converged.all()
    assert found.weights.tolist() == [1.0, 0.0, 1.0]
    for sample in (0, 2):
        alone = model.solve(y[sample : sample + 1], physics)
        torch.testing.assert_close(found.value[sample : sample + 1], alone.value, rtol=1e-7, atol=1e-9)


def test_all_attempts_are_one_report_and_the_evaluations_and_trace_of_a_scan_are_its_own():
    model, (physics, y) = steep(), measured(1.0, 50.0, 0.5)
    with record() as reports:
        found = GuardedDEQ(model).solve(y, physics)
    (report,) = reports
    trace = torch.stack(report.trace)
    assert report.n_evaluations == found.n_evaluations == int(found.evaluations.max()) == len(trace) > SOLVER.max_iter
    assert int(found.evaluations[1]) == found.n_evaluations
    assert torch.equal(trace, torch.stack(found.trace))
    assert torch.equal(trace[-1], found.residual)
    assert torch.equal(report.weights, found.weights)
    assert report.converged.all()
    for sample in (0, 2):
        alone = model.solve(y[sample : sample + 1], physics)
        assert int(found.evaluations[sample]) == alone.n_evaluations < SOLVER.max_iter
        expected = torch.stack(alone.trace)[:, 0]
        torch.testing.assert_close(trace[: len(expected), sample], expected, rtol=1e-6, atol=0)


def test_a_budget_passes_over_what_it_cannot_pay_but_not_the_last_attempt():
    model, (physics, y) = steep(), measured(1.0, 50.0)
    attempts = (Attempt(1.0, 20), Attempt(0.002, 40), Attempt(0.0, 30))
    for budget, weight in ((None, 0.002), (60, 0.002), (59, 0.0), (1, 0.0)):
        limited = GuardedDEQ(model, attempts, budget).solve(y, physics)
        assert limited.converged.all()
        assert limited.weights.tolist() == [1.0, pytest.approx(weight)]
        assert int(limited.evaluations[1]) <= 20 + (40 if weight else 30)


@pytest.mark.parametrize("tol", [1e-4, 1e-3])
def test_a_prompt_guard_answers_within_its_budget_and_leaves_the_solved_alone(tol):
    physics, y = measured(1.0, 50.0, 0.5, 200.0)
    model = DEQ(ITERATIONS["proximal_gradient"](Steep()), Anderson(tol=tol))
    guarded = GuardedDEQ.prompt(model)
    found = guarded.solve(y, physics)
    assert found.converged.all()
    assert int(found.evaluations.max()) <= guarded.budget < 60
    assert (found.weights == 1).tolist() == [True, False, True, False]
    torch.testing.assert_close(found.value[::2], model.solve(y[::2], physics).value)
    limits = (1.0, 48, [[24, 10.0 * tol], [34, 2.5 * tol]]), (0.6, 24, []), (0.0, 11, [])
    attempts = [dict(zip(("weight", "max_iter", "give_up"), limit, strict=True)) for limit in limits]
    assert guarded.settings() == {"attempts": attempts, "budget": 59}


def test_without_limits_the_solver_is_the_models_own():
    model, (physics, y) = steep(), measured(1.0, 50.0)
    guarded = GuardedDEQ(model)
    model.solver = replace(SOLVER, tol=1e-3)
    with record() as reports:
        loose = guarded.solve(y, physics)
    assert (reports[0].tol, guarded.settings()["attempts"][0]["max_iter"]) == (1e-3, 60)
    assert SOLVER.tol < loose.residual.max() <= 1e-3


def test_an_operator_for_each_sample_is_kept_with_its_sample():
    model, (physics, _) = steep(), measured(50.0, 1.0)
    physics.update(mask=torch.cat([physics.mask, physics.mask.flip(-1)]).reshape(2, 1, SIZE, SIZE))
    y = physics(torch.rand(2, 1, SIZE, SIZE, dtype=torch.float64) * torch.tensor([50.0, 1.0])[:, None, None, None])
    found = GuardedDEQ(model).solve(y, physics)
    assert found.converged.all()
    assert found.weights[0] < found.weights[1] == 1
    assert residual_of(model, float(found.weights[0]), found.value, y, physics)[0] < 2 * SOLVER.tol


def test_weights_that_do_not_suffice_are_warned_about():
    model, (physics, y) = steep(), measured(50.0)
    with pytest.warns(ConvergenceWarning, match="1 of 1 samples have no fixed point within reach.*let the weights end"):
        GuardedDEQ(model, TWO[:1]).solve(y, physics)
    model.solver = replace(SOLVER, on_failure="raise")
    with pytest.raises(ConvergenceError, match="no fixed point within reach") as failure:
        GuardedDEQ(model, TWO[:1]).solve(y, physics)
    assert failure.value.solution.weights.tolist() == [1.0]
    assert GuardedDEQ(model).solve(y, physics).converged.all()


def test_a_blend_lies_between():
    class Overflowing(nn.Module):
        def forward(self, x):
            return x / 0

    denoiser, x = Steep(0.3), torch.rand(1, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(Blended(denoiser, 1.0)(x), denoiser(x))
    assert torch.equal(Blended(Overflowing(), 0.0)(x), 0.9 * x), "nothing learnt is left"
    torch.testing.assert_close(Blended(denoiser, 0.25)(x), (0.25 * 0.3 + 0.75 * 0.9) * x)


def test_what_cannot_be_guarded_is_an_error():
    class Descent(nn.Module):
        """An iteration without a denoiser."""

        start = image = state_from = forward = lambda self, *_: None

    weights = ((), (0.9, 0.5), (1.0, 1.0), (1.0, -0.1), (1.0, 0.5, 0.6))
    physics, y = measured(1.0)
    kinds = [(guard, model) for guard in (GuardedDEQ, GuardedDEQ.prompt) for model in (nn.Identity(), DEQ(Descent()))]
    for call, match in (
        *((partial(guard, model), "guards a DEQ whose iteration has a denoiser") for guard, model in kinds),
        *((partial(GuardedDEQ, steep(), [Attempt(w) for w in some]), "must fall from 1") for some in weights),
        (lambda: GuardedDEQ(steep(), [Attempt(1.0, 20, ((30, 2.0),))]), "give_up"),
        (lambda: GuardedDEQ(steep(), budget=0), "budget=0"),
        (lambda: GuardedDEQ(steep())(y.requires_grad_(), physics), "differentiate the DEQ inside"),
    ):
        with pytest.raises(InputError, match=match):
            call()
