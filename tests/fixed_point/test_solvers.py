"""Picard, Anderson and Broyden against exact solutions; what every solve must tell."""

import inspect
import warnings
from dataclasses import replace

import pytest
import torch
from problems import DenseProblem, linear_problem, relative_error

import eiwork
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import (
    GMRES,
    Anderson,
    Broyden,
    Implicit,
    Neumann,
    Phantom,
    Picard,
    Reversible,
    Unrolled,
    fixed_point,
    solve_fixed_point,
)

SOLVERS = [
    Picard(tol=1e-12, max_iter=2000),
    Picard(tol=1e-12, max_iter=2000, damping=0.7),
    Anderson(tol=1e-12),
    Broyden(tol=1e-12),
    Broyden(tol=1e-12, memory=3),
]
ACCELERATED = [Anderson(), Broyden()]


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
@pytest.mark.parametrize("norm", [0.5, 0.98])
def test_solvers_reach_the_dense_solution(solver, norm):
    problem = DenseProblem.make(norm=norm)
    solution = solve_fixed_point(problem.f, problem.z0, solver)
    assert relative_error(solution.value, problem.solution()) < 1e-10
    assert bool(solution.converged.all())
    assert solution.n_evaluations == len(solution.trace) <= solver.max_iter
    recomputed = (problem.f(solution.value) - solution.value).norm(dim=1) / problem.f(solution.value).norm(dim=1)
    torch.testing.assert_close(solution.residual, recomputed.detach(), rtol=1e-3, atol=1e-14)


def test_acceleration_and_every_option_change_the_cost():
    problem, limits = DenseProblem.make(n=40, norm=0.99), {"tol": 1e-10, "max_iter": 5000}
    options = {}, {"memory": 5}, {"damping": 0.5}, {"regularisation": 1e-2}
    solvers = Picard(**limits), *(Anderson(**limits, **chosen) for chosen in options)
    traces = (torch.stack(solve_fixed_point(problem.f, problem.z0, solver).trace) for solver in solvers)
    picard, anderson, *others = traces
    assert len(anderson) < len(picard)
    assert not any(torch.equal(other, anderson) for other in others)
    # torchdeq 0.1.0's Broyden needs 107 evaluations to 1e-8 on this problem, and 35 to 1e-4.
    f, z0, _ = linear_problem(0.98, n=200)
    assert solve_fixed_point(f, z0, Broyden(tol=1e-8, max_iter=2000)).n_evaluations <= 80
    assert solve_fixed_point(f, z0, Picard(tol=1e-8, max_iter=2000)).n_evaluations > 80
    assert solve_fixed_point(f, z0, Broyden(tol=1e-4)).n_evaluations <= 35


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
    solver = Picard(tol=1e-8, max_iter=3000)

    def solve(**options):
        return solve_fixed_point(
            lambda z: factors * z + 1, torch.zeros(2, 1, dtype=torch.float64), replace(solver, **options)
        )

    plain = solve()
    assert plain.converged.all()
    with pytest.warns(ConvergenceWarning, match="1 of 2 samples"):
        impatient = solve(give_up=((10, 0.5), (20, 1e-5)))
    assert impatient.converged.tolist() == [True, False]
    assert torch.equal(impatient.value[0], plain.value[0])
    assert impatient.evaluations.tolist() == [int(plain.evaluations[0]), 20]
    slow = torch.stack(impatient.trace)[:, 1]
    assert slow[18] != slow[19], "the first question it could answer"
    assert len(slow) == 20 or bool((slow[19:] == slow[19]).all())
    assert torch.equal(solve(give_up=((20, 0.5),)).value, plain.value)


@pytest.mark.parametrize("solver", [Anderson(tol=1e-10), Broyden(tol=1e-9, max_iter=300, memory=8)], ids=repr)
def test_a_sample_depends_on_no_neighbour_even_when_that_one_takes_long(solver):
    f, z0, _ = linear_problem(0.98, n=40, batch=1)

    def both(z):
        return torch.cat([0.1 * z[:1] + torch.linspace(0, 1, 40, dtype=z.dtype), f(z[1:])])

    with torch.no_grad():
        together = solver.run(both, torch.zeros(2, 40, dtype=torch.float64))
        easy = solver.run(lambda z: both(torch.cat([z, z]))[:1], z0)
        hard = solver.run(f, z0)
        assert easy.n_evaluations < 6
        assert 25 < hard.n_evaluations == together.n_evaluations
        torch.testing.assert_close(together.best_z, torch.cat([easy.best_z, hard.best_z]), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(solver.sigma_min(together)[:1], solver.sigma_min(easy))


@pytest.mark.parametrize("solver", ACCELERATED, ids=repr)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_scale_of_the_problem_does_not_matter(scale, solver):
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(6, 6, generator=generator) / 6
    y = scale * torch.randn(2, 6, generator=generator)
    solution = solve_fixed_point(lambda z: z @ w.T + y, torch.zeros(2, 6), replace(solver, tol=1e-5))
    exact = torch.linalg.solve(torch.eye(6) - w, y.T).T
    assert bool(solution.converged.all())
    torch.testing.assert_close(solution.value / scale, exact / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS[1:4], ids=repr)
def test_tuples_and_complex_states(solver):
    def f(z):
        a, b = z
        return 0.5 * a + 0.1 * b.real + 1, 0.3 * b + 0.2j * a + 1j

    zeros = (torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.complex128))
    a, b = solve_fixed_point(f, zeros, solver).value
    assert (a.dtype, b.dtype) == (torch.float64, torch.complex128)
    for value, image in zip((a, b), f((a, b)), strict=True):
        torch.testing.assert_close(value, image, rtol=1e-10, atol=1e-12)


def test_anderson_survives_a_map_on_which_plain_extrapolation_stalls():
    solution = solve_fixed_point(
        lambda z: 0.5 * z + 0.5 * torch.cos(3 * z), torch.full((1, 8), 5.0), Anderson(tol=1e-6, max_iter=100)
    )
    assert bool(solution.converged.all())


def test_a_restart_of_broyden_beats_a_memory_without_end_near_the_edge():
    f, z0, exact = linear_problem(0.999, n=200)
    limited, endless = (solve_fixed_point(f, z0, Broyden(tol=1e-4, max_iter=400, memory=m)) for m in (30, 400))
    assert bool(limited.converged.all())
    assert limited.n_evaluations < endless.n_evaluations
    assert relative_error(limited.value, exact) < 0.1


def test_a_vanishing_denominator_is_no_breakdown_of_broyden():
    # z - f(z) = A z - b with A skew: s^T H y = s^T A s = 0 exactly at the first correction.
    a = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    solution = solve_fixed_point(lambda z: z - z @ a.T + b, torch.zeros_like(b), Broyden(tol=1e-13))
    torch.testing.assert_close(solution.value @ a.T, b, rtol=1e-12, atol=1e-12)


def test_where_broydens_residual_explodes_the_best_iterate_comes_back():
    # A steep wall on the far side: the undamped step lands in it, the safeguard halves H until it does not.
    def f(z):
        return torch.where(z > 1.2, z - 1e4 * (z - 1.2), 1 - 2 * (z - 1))

    start = torch.full((1, 1), 0.8, dtype=torch.float64)
    solver = Broyden(tol=1e-12)
    with torch.no_grad():
        candidate, memory = solver.propose(solver.step(f, solver.init(f, start)))
    assert float(memory.damping) == 0.5
    torch.testing.assert_close(candidate, start + 0.5 * (f(start) - start))
    torch.testing.assert_close(solve_fixed_point(f, start, solver).value, torch.ones_like(start))


def test_the_inverse_that_broyden_learns_maps_the_last_change_and_is_exact_where_the_steps_saw_all_of_it():
    problem = DenseProblem.make()
    solver = Broyden(tol=1e-14)
    with torch.no_grad():
        before = solver.init(problem.f, problem.z0)
        for _ in range(4):
            before = solver.step(problem.f, before)
        after = solver.step(problem.f, before)
        _, estimate = solver.propose(after)
        change = (after.z - after.fz) - (before.z - before.fz)
        # H is close to (I - J)^{-1}, and the sign is that of I - J.
        torch.testing.assert_close(estimate.apply(change), after.z - before.z, rtol=1e-9, atol=1e-14)
        g = torch.randn_like(change)
        torch.testing.assert_close(
            (estimate.apply(g, transpose=True) * change).sum(1), (g * estimate.apply(change)).sum(1)
        )
        # f moves z along one direction only, which the steps span: H is exact there and the identity elsewhere.
        u = torch.linspace(1, 2, 7, dtype=torch.float64)
        jacobian = 0.6 * torch.outer(u, u) / u.square().sum()
        _, estimate = solver.propose(solver.run(lambda z: z @ jacobian.T + u, torch.zeros(1, 7, dtype=torch.float64)))
        g = torch.randn(1, 7, dtype=torch.float64)
        exact = torch.linalg.solve(torch.eye(7, dtype=torch.float64) - jacobian.T, g.T).T
        torch.testing.assert_close(estimate.apply(g, transpose=True), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tol", [1e-12, 1e-14])
def test_steps_within_rounding_teach_broyden_nothing(tol):
    # Scaled by three, z rounds differently: whatever H learnt from rounding would differ.
    f, z0, _ = linear_problem(0.9, n=8)
    solver = Broyden(tol=tol)
    with torch.no_grad():
        plain, scaled = (
            solver.propose(solver.run(g, z0))[1].apply(torch.ones_like(z0), transpose=True)
            for g in (f, lambda z: 3 * f(z / 3))
        )
    assert relative_error(scaled, plain) < 1e-4


def test_failure_warns_with_the_residual_and_returns_the_best_iterate_or_raises():
    with pytest.raises(ConvergenceError, match=r"error of the fixed point is \d.*try Anderson") as caught:
        solve_fixed_point(lambda z: 0.99 * z + 1, torch.ones(2, 4), Picard(on_failure="raise", max_iter=5))
    assert caught.value.solution.n_evaluations == 5
    with pytest.warns(
        ConvergenceWarning, match=r"2 of 2 samples above tolerance 1.0e-04; the largest relative residual is"
    ):
        solution = solve_fixed_point(lambda z: 3 * z + 1, torch.ones(2, 4), Picard())
    assert bool(solution.value.isfinite().all())
    assert solution.n_evaluations < 100
    assert not bool(solution.converged.any())


def test_a_non_finite_value_raises_at_once_with_the_best_iterate_so_far():
    with pytest.raises(ConvergenceError, match="non-finite values for 2 of 2 samples at evaluation 4") as caught:
        solve_fixed_point(lambda z: torch.where(z > 3, z / 0, 0.9 * z + 1), torch.ones(2, 3), Picard())
    assert bool(caught.value.solution.value.isfinite().all())


WITHOUT = [lambda z: z + 1 + z.square(), lambda z: 2 * z + 1 + z.abs(), lambda z: torch.exp(z) + 1, lambda z: z + 1]


@pytest.mark.parametrize("solver", [Anderson(), Broyden(), Picard()], ids=repr)
@pytest.mark.parametrize("f", WITHOUT, ids=["no fixed point", "expanding", "exponential", "translation"])
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
    # One that repels: the solver finds the other one, or none, and says so.
    z = solve_fixed_point(lambda z: 1.8 * torch.sin(z), z0[:1, :1].double(), Anderson(tol=1e-8)).value
    torch.testing.assert_close(z, 1.8 * torch.sin(z), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_residual_means_the_same_at_every_tolerance(dtype):
    z0 = torch.linspace(0.3, 1, 6, dtype=dtype).view(2, 3)
    with pytest.warns(ConvergenceWarning, match="above tolerance"):
        tight = solve_fixed_point(lambda z: 0.5 * torch.cos(z), z0, Picard(tol=1e-30, max_iter=4))
    fz = 0.5 * torch.cos(tight.value)
    torch.testing.assert_close(tight.residual, (fz - tight.value).norm(dim=1) / fz.norm(dim=1), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Picard(tol=0.0), "tolerance must be positive"),
        (lambda: Picard(damping=1.5), "damping must lie in"),
        (lambda: Picard(max_iter=0), "at least one evaluation"),
        (lambda: Picard(max_iter=20, give_up=((20, 0.1),)), "fewer than max_iter=20"),
        (lambda: Anderson(tol=1e-4, give_up=((9, 1e-4),)), "above tol=1.0e-04"),
        (lambda: Anderson(memory=0), "at least one difference"),
        (lambda: Anderson(damping=0.0), r"damping must lie in \(0, 1\]"),
        (lambda: Anderson(regularisation=-1.0), "must not be negative"),
        (lambda: Broyden(memory=0), "at least one correction"),
        (lambda: Broyden(damping=0.0), r"damping must lie in \(0, 1\]"),
        (lambda: GMRES(restart=0), "must be at least 1"),
        (lambda: GMRES(tol=0.0), "tolerance must be positive"),
        (lambda: Phantom(0), "at least one step"),
        (lambda: Phantom(damping=0.0), "damping must lie in"),
        (lambda: Neumann(-1), "must not be negative"),
        (lambda: Reversible(0), "at least one step"),
        (lambda: Reversible(damping=1.0), "cannot be undone"),
        (lambda: Unrolled(0), "at least one step"),
        (lambda: Unrolled(4, checkpoint_every=5), "1 to `steps` steps"),
        # Unwrapped: the annotation checker of the tests would stop the call before the message that users see.
        (lambda: inspect.unwrap(fixed_point)(abs, torch.zeros(1, 1), gradient=Implicit), "pass an object"),
        (lambda: inspect.unwrap(fixed_point)(abs, torch.zeros(1, 1), gradient="implicit"), "pass an object"),
        (lambda: inspect.unwrap(fixed_point)(abs, torch.zeros(1, 1), Implicit()), "cannot solve z = f"),
        (lambda: inspect.unwrap(solve_fixed_point)(abs, torch.ones(2, 2), GMRES()), "belongs in gradient=Implicit"),
        (lambda: solve_fixed_point(lambda z: z[:, :1], torch.ones(2, 2)), "map the space of z0 to itself"),
        (lambda: solve_fixed_point(lambda z: None, torch.ones(2, 2)), "f returned .*NoneType"),
        (lambda: solve_fixed_point(lambda z: z.numpy(), torch.ones(2, 2)), "f returned .*ndarray"),
        (lambda: solve_fixed_point(lambda z: (z, z), torch.ones(2, 2)), "f returned .*tuple"),
        (lambda: solve_fixed_point(lambda z: z.double(), torch.ones(2, 2)), "f returned .*float64.*z0 is .*float32"),
        (lambda: solve_fixed_point(lambda z: z + 1j, torch.ones(2, 2)), "f returned .*complex64.*z0 is .*float32"),
        (lambda: solve_fixed_point(lambda z: z.to("meta"), torch.ones(2, 2)), "f returned .*meta.*z0 is .*cpu"),
        (lambda: solve_fixed_point(abs, (torch.ones(2, 2), torch.ones(2, 2, device="meta"))), "different devices"),
        (lambda: solve_fixed_point(lambda z: z, torch.ones(2, 2, dtype=torch.int64)), "floating or complex"),
        (lambda: solve_fixed_point(lambda z: z, (torch.ones(2, 2), torch.ones(3, 2))), "different batch sizes"),
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
            solution = solve_fixed_point(problem.f, problem.z0)
    solve_fixed_point(problem.f, problem.z0)
    assert (len(outer), len(inner)) == (2, 1)
    assert (inner[0].kind, inner[0].solver, inner[0].tol) == ("forward", "Anderson", Anderson().tol)
    for name in ("converged", "residual", "n_evaluations", "trace", "sigma_min", "error_bound"):
        assert getattr(inner[0], name) is getattr(solution, name)
