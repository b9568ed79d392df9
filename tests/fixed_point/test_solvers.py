"""Picard and Anderson against exact solutions; what every solve must tell."""

import inspect
import warnings
from dataclasses import replace

import pytest
import torch
from problems import DenseProblem, relative_error

import eiwork
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import GMRES, Anderson, Broyden, Picard, solve_fixed_point

SOLVERS = [
    Picard(tol=1e-12, max_iter=2000),
    Picard(tol=1e-12, max_iter=2000, damping=0.7),
    Anderson(tol=1e-12),
]


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
def test_solvers_reach_the_dense_solution(solver):
    problem = DenseProblem.make()
    solution = solve_fixed_point(problem.f, problem.z0, solver)
    assert relative_error(solution.value, problem.solution()) < 1e-10
    assert bool(solution.converged.all())
    assert solution.n_evaluations == len(solution.trace) <= solver.max_iter
    recomputed = (problem.f(solution.value) - solution.value).norm(dim=1) / problem.f(solution.value).norm(dim=1)
    torch.testing.assert_close(solution.residual, recomputed.detach(), rtol=1e-3, atol=1e-14)


def test_anderson_needs_fewer_evaluations_than_picard():
    problem = DenseProblem.make(n=40, norm=0.99)
    evaluations = {
        name: solve_fixed_point(problem.f, problem.z0, solver).n_evaluations
        for name, solver in {
            "picard": Picard(tol=1e-10, max_iter=5000),
            "anderson": Anderson(tol=1e-10, max_iter=5000),
            "shorter memory": Anderson(tol=1e-10, max_iter=5000, memory=5),
        }.items()
    }
    assert evaluations["anderson"] < evaluations["picard"]
    assert evaluations["shorter memory"] != evaluations["anderson"]


def test_damping_and_regularisation_change_the_iterates():
    problem = DenseProblem.make()
    traces = [
        torch.stack(solve_fixed_point(problem.f, problem.z0, solver).trace)[5]
        for solver in (
            Anderson(tol=1e-12),
            Anderson(tol=1e-12, damping=0.5),
            Anderson(tol=1e-12, regularisation=1e-2),
        )
    ]
    assert not torch.equal(traces[0], traces[1])
    assert not torch.equal(traces[0], traces[2])


def test_each_sample_stops_on_its_own_and_then_stays():
    factors = torch.tensor([[0.1], [0.9]], dtype=torch.float64)
    seen = []

    def f(z):
        seen.append(z.clone())
        return factors * z + 1

    solution = solve_fixed_point(f, torch.zeros(2, 1, dtype=torch.float64), Picard(tol=1e-8, max_iter=500))
    fast = torch.stack(seen)[:, 0, 0]
    stopped = int((fast[1:] == fast[:-1]).nonzero()[0])
    assert stopped < 12 < solution.n_evaluations
    assert bool((fast[stopped:] == fast[stopped]).all())
    assert solution.evaluations.tolist() == [stopped + 1, solution.n_evaluations]
    torch.testing.assert_close(solution.value, 1 / (1 - factors), rtol=1e-6, atol=0)


def test_a_sample_that_comes_near_too_slowly_is_given_up_and_the_others_are_not():
    factors = torch.tensor([[0.5], [0.99]], dtype=torch.float64)
    start = torch.zeros(2, 1, dtype=torch.float64)
    solver = Picard(tol=1e-8, max_iter=3000)
    plain = solve_fixed_point(lambda z: factors * z + 1, start, solver)
    assert plain.converged.all()
    with pytest.warns(ConvergenceWarning, match="1 of 2 samples"):
        impatient = solve_fixed_point(
            lambda z: factors * z + 1, start, replace(solver, give_up=((10, 0.5), (20, 1e-5)))
        )
    assert impatient.converged.tolist() == [True, False]
    assert torch.equal(impatient.value[0], plain.value[0])
    assert impatient.evaluations.tolist() == [int(plain.evaluations[0]), 20]
    slow = torch.stack(impatient.trace)[:, 1]
    assert slow[18] != slow[19], "the first question it could answer"
    assert len(slow) == 20 or bool((slow[19:] == slow[19]).all())
    generous = solve_fixed_point(lambda z: factors * z + 1, start, replace(solver, give_up=((20, 0.5),)))
    assert torch.equal(generous.value, plain.value)


def test_a_sample_does_not_depend_on_its_neighbours():
    problem = DenseProblem.make(batch=4)
    together = solve_fixed_point(problem.f, problem.z0, Anderson(tol=1e-10)).value
    alone = DenseProblem(problem.weight, problem.y[1:2])
    separate = solve_fixed_point(alone.f, alone.z0, Anderson(tol=1e-10)).value
    torch.testing.assert_close(together[1:2], separate, rtol=1e-9, atol=1e-12)


def test_step_by_step_equals_the_whole_solve():
    problem = DenseProblem.make()
    solver = Anderson(tol=1e-10)
    with torch.no_grad():
        progress = solver.init(problem.f, problem.z0)
        while not solver.terminate(progress):
            progress = solver.step(problem.f, progress)
    solution = solve_fixed_point(problem.f, problem.z0, solver)
    assert torch.equal(progress.best_z, solution.value)
    assert progress.n_evaluations == solution.n_evaluations


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_the_scale_of_the_problem_does_not_matter(scale):
    generator = torch.Generator().manual_seed(0)
    w = 0.5 * torch.randn(6, 6, generator=generator) / 6
    y = scale * torch.randn(2, 6, generator=generator)
    solution = solve_fixed_point(lambda z: z @ w.T + y, torch.zeros(2, 6), Anderson(tol=1e-5))
    exact = torch.linalg.solve(torch.eye(6) - w, y.T).T
    assert bool(solution.converged.all())
    torch.testing.assert_close(solution.value / scale, exact / scale, rtol=1e-4, atol=1e-5)


def test_tuples_and_complex_states():
    def f(z):
        a, b = z
        return 0.5 * a + 0.1 * b.real + 1, 0.3 * b + 0.2j * a + 1j

    zeros = (torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.complex128))
    solution = solve_fixed_point(f, zeros, Anderson(tol=1e-12))
    a, b = solution.value
    assert a.dtype == torch.float64
    assert b.dtype == torch.complex128
    for value, image in zip((a, b), f((a, b)), strict=True):
        torch.testing.assert_close(value, image, rtol=1e-10, atol=1e-12)


def test_failure_warns_with_the_residual_and_returns_the_best_iterate():
    with pytest.warns(
        ConvergenceWarning, match=r"2 of 2 samples above tolerance 1.0e-04; the largest relative residual is"
    ):
        solution = solve_fixed_point(lambda z: 3 * z + 1, torch.ones(2, 4), Picard())
    assert bool(solution.value.isfinite().all())
    assert solution.n_evaluations < 100
    assert not bool(solution.converged.any())


@pytest.mark.parametrize("how", ["solver", "call"])
def test_failure_can_raise_instead(how):
    options = {"solver": Picard(on_failure="raise" if how == "solver" else "warn", max_iter=5)}
    extra = {"on_failure": "raise"} if how == "call" else {}
    with pytest.raises(ConvergenceError, match="try Anderson") as caught:
        solve_fixed_point(lambda z: 0.99 * z + 1, torch.ones(2, 4), **options, **extra)
    assert caught.value.solution.n_evaluations == 5


def test_a_non_finite_value_raises_at_once_with_the_best_iterate_so_far():
    calls = []

    def f(z):
        calls.append(1)
        return z / 0 if len(calls) == 4 else 0.9 * z + 1

    with pytest.raises(ConvergenceError, match="non-finite values for 2 of 2 samples at evaluation 4") as caught:
        solve_fixed_point(f, torch.ones(2, 3), Picard())
    assert bool(caught.value.solution.value.isfinite().all())


def test_anderson_survives_a_map_on_which_plain_extrapolation_stalls():
    # The kink makes past differences misleading; the safeguard must still bring the residual down.
    def f(z):
        return torch.where(z > 1, 0.9 * z - 2.0, 0.95 * z + 0.5).clamp(-3, 12)

    solution = solve_fixed_point(
        lambda z: 0.5 * z + 0.5 * torch.cos(3 * z), torch.full((1, 8), 5.0), Anderson(tol=1e-6, max_iter=100)
    )
    assert bool(solution.converged.all())
    assert bool(f(torch.zeros(1)).isfinite().all())


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Picard(tol=0.0), "tolerance must be positive"),
        (lambda: Picard(damping=1.5), "damping must lie in"),
        (lambda: Picard(max_iter=0), "at least one evaluation"),
        (lambda: Picard(max_iter=20, give_up=((20, 0.1),)), "fewer than max_iter=20"),
        (lambda: Anderson(tol=1e-4, give_up=((9, 1e-4),)), "above tol=1.0e-04"),
        (lambda: Anderson(memory=0), "at least one difference"),
        (lambda: GMRES(restart=0), "must be at least 1"),
        (
            # Unwrapped: the annotation checker of the tests would stop the call before the message that users see.
            lambda: inspect.unwrap(solve_fixed_point)(lambda z: z, torch.ones(2, 2), GMRES()),
            "belongs in gradient=Implicit",
        ),
        (lambda: solve_fixed_point(lambda z: z[:, :1], torch.ones(2, 2)), "map the space of z0 to itself"),
        (lambda: solve_fixed_point(lambda z: z, torch.ones(2, 2, dtype=torch.int64)), "floating or complex"),
        (
            lambda: solve_fixed_point(lambda z: z, (torch.ones(2, 2), torch.ones(3, 2))),
            "different batch sizes",
        ),
    ],
)
def test_unusable_arguments_are_one_clear_error(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_reports_are_collected_only_inside_the_block():
    problem = DenseProblem.make()
    with eiwork.record() as outer:
        solve_fixed_point(problem.f, problem.z0)
        with eiwork.record() as inner:
            solve_fixed_point(problem.f, problem.z0)
    solve_fixed_point(problem.f, problem.z0)
    assert (len(outer), len(inner)) == (2, 1)
    assert outer[0].kind == "forward"
    assert outer[0].solver == "Anderson"
    assert bool((outer[0].residual <= outer[0].tol).all())


@pytest.mark.parametrize("solver", [Anderson(), Broyden(), Picard()], ids=repr)
@pytest.mark.parametrize(
    "f",
    [
        lambda z: z + 1 + z.square(),
        lambda z: 2 * z + 1 + z.abs(),
        lambda z: torch.exp(z) + 1,
        lambda z: z + 1,
    ],
    ids=["no fixed point", "expanding", "exponential", "translation"],
)
def test_a_map_without_a_reachable_fixed_point_is_given_up_within_100_evaluations(f, solver):
    calls = []

    def counted(z):
        calls.append(1)
        return f(z)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            solution = solve_fixed_point(counted, torch.full((2, 3), 0.5), solver)
            said = [w.category for w in caught]
        except ConvergenceError as error:
            solution, said = error.solution, [ConvergenceWarning]
    assert ConvergenceWarning in said
    assert len(calls) <= 100
    assert bool(solution.value.isfinite().all())
    assert not bool(solution.converged.all())


@pytest.mark.parametrize("solver", [Picard(tol=1e-8, max_iter=200), Anderson(tol=1e-8), Broyden(tol=1e-8)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fixed_point_at_zero_is_found(solver, dtype):
    z0 = torch.linspace(0.3, 1, 6, dtype=dtype).view(2, 3)
    for f in (lambda z: 0.7 * torch.sin(z), lambda z: 0.5 * z, lambda z: 0 * z):
        solution = solve_fixed_point(f, z0, solver)
        assert bool(solution.converged.all())
        assert float(solution.value.abs().max()) < 1e-6


def test_a_repelling_fixed_point_at_zero_raises_nothing_unexpected():
    z0 = torch.tensor([[0.3]], dtype=torch.float64)
    solution = solve_fixed_point(lambda z: 1.8 * torch.sin(z), z0, Anderson(tol=1e-8))
    torch.testing.assert_close(solution.value, 1.8 * torch.sin(solution.value), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_residual_means_the_same_at_every_tolerance(dtype):
    z0 = torch.linspace(0.3, 1, 6, dtype=dtype).view(2, 3)
    with pytest.warns(ConvergenceWarning, match="above tolerance"):
        tight = solve_fixed_point(lambda z: 0.5 * torch.cos(z), z0, Picard(tol=1e-30, max_iter=4))
    fz = 0.5 * torch.cos(tight.value)
    torch.testing.assert_close(tight.residual, (fz - tight.value).norm(dim=1) / fz.norm(dim=1), rtol=1e-3, atol=0)
