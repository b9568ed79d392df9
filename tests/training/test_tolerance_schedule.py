"""The tolerance schedule: it aims at the target, moves the right way, and the solvers obey it."""

import math
from dataclasses import replace

import pytest
import torch

from eiwork.errors import InputError, RecipeError
from eiwork.fixed_point import GMRES, Anderson, Implicit, JacobianFree, record
from eiwork.fixed_point.record import Report
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
from eiwork.physics import mri
from eiwork.training.build import build_tolerances
from eiwork.training.tolerance_schedule import Tolerances, ToleranceSchedule

AMPLIFICATION = 2.5


def reports(residual=1e-3, sigma=0.1, bound=0.02):
    base = Report(
        kind="forward",
        solver="",
        tol=1e-3,
        n_evaluations=5,
        residual=torch.full((2,), residual),
        converged=torch.ones(2, dtype=torch.bool),
    )
    certified = {"sigma_min": torch.full((2,), sigma), "error_bound": torch.full((2,), bound)}
    certified["residual"] = certified["error_bound"] / AMPLIFICATION
    return [base, replace(base, kind="adjoint", **certified)]


def test_the_target_is_geometric_between_its_ends():
    schedule = ToleranceSchedule(start=0.4, end=0.1)
    assert [schedule.target(t) for t in (0, 0.5, 1)] == pytest.approx([0.4, 0.2, 0.1])


def test_both_parts_are_driven_to_half_the_target():
    # A model world in which errors are proportional to tolerances.
    tolerances = Tolerances(ToleranceSchedule(start=0.2, end=0.2), forward=1e-3, adjoint=1e-2)
    for _ in range(80):
        values = tolerances.update(
            reports(residual=0.5 * tolerances.forward, sigma=0.1, bound=4 * tolerances.adjoint),
            0.5,
            0.3,
            0.02,
        )
    assert values["adjoint_error"] == pytest.approx(0.1, rel=1e-3)
    assert values["forward_error"] == pytest.approx(0.1, rel=1e-3)
    # residual ||x|| / (sigma ||r||) = 0.5 tol 0.3 / (0.1 0.02) = 75 tol, amplified by the adjoint solve, and calibrated
    assert tolerances.forward == pytest.approx(0.1 / (75 * AMPLIFICATION * 2), rel=1e-3)
    assert tolerances.adjoint == pytest.approx(0.025, rel=1e-3)


def test_a_smaller_target_tightens_and_one_step_changes_little():
    tolerances = Tolerances(ToleranceSchedule(start=1.0, end=1e-6), forward=1e-3, adjoint=1e-2)
    tolerances.update(reports(), 1.0, 0.3, 0.02)
    assert tolerances.forward == pytest.approx(5e-4)
    assert tolerances.adjoint == pytest.approx(5e-3)


def test_tolerances_stay_in_their_range():
    schedule = ToleranceSchedule(start=1e-9, end=1e-9, forward_range=(1e-4, 1e-2), adjoint_range=(1e-3, 0.1))
    tolerances = Tolerances(schedule, forward=1e-3, adjoint=1e-2)
    for _ in range(10):
        tolerances.update(reports(), 0.5, 0.3, 0.02)
    assert (tolerances.forward, tolerances.adjoint) == (1e-4, 1e-3)


def test_without_a_certificate_nothing_moves():
    unknown = [
        replace(r, sigma_min=torch.full((2,), math.nan), error_bound=torch.full((2,), math.inf)) for r in reports()
    ]
    for given in ([replace(r, sigma_min=None, error_bound=None) for r in reports()], unknown, []):
        tolerances = Tolerances(ToleranceSchedule(), forward=1e-3, adjoint=1e-2)
        values = tolerances.update(given, 0.5, 0.3, 0.02)
        assert (tolerances.forward, tolerances.adjoint) == (1e-3, 1e-2)
        assert values == {"tol_forward": 1e-3, "tol_adjoint": 1e-2}


def test_the_solvers_obey():
    physics = mri(16, acceleration=2)
    model = DEQ(ProximalGradient(ResidualCNN(2, width=4, depth=2)), Anderson(memory=3), Implicit(GMRES(max_iter=33)))
    y, costs = physics.A(torch.rand(2, 2, 16, 16)), []
    for tol in (1e-2, 1e-5):
        Tolerances(ToleranceSchedule(), forward=tol, adjoint=10 * tol).apply(model)
        with record() as collected:
            model(y, physics).square().sum().backward()
        assert [report.tol for report in collected] == [tol, 10 * tol]
        costs.append([report.n_evaluations for report in collected])
    assert costs[0][0] < costs[1][0]
    assert costs[0][1] < costs[1][1]
    assert model.solver.memory == 3
    assert model.gradient.solver.max_iter == 33


def test_what_it_cannot_follow_is_an_error(small_recipe):
    model = DEQ(ProximalGradient(ResidualCNN(2)), gradient=JacobianFree())
    with pytest.raises(InputError, match="gradient mode is JacobianFree"):
        Tolerances(ToleranceSchedule(), 1e-3, 1e-2).apply(model)
    with pytest.raises(RecipeError, match="certificate of implicit gradients"):
        build_tolerances(small_recipe("ct-ei-deq-jfb", model__tolerance_schedule={"start": 0.5, "end": 0.1}))
    with pytest.raises(InputError, match="errors must be positive"):
        ToleranceSchedule(start=0.0)
    with pytest.raises(InputError, match="smallest <= largest"):
        ToleranceSchedule(forward_range=(1e-2, 1e-3))
    assert build_tolerances(small_recipe()) is None
