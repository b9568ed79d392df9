"""Broyden's method against exact solutions, and the inverse Jacobian that it learns."""

import pytest
import torch
from problems import DenseProblem, relative_error

import eiwork
from eiwork.errors import InputError
from eiwork.fixed_point import Broyden, Implicit, Picard, Unrolled, fixed_point, solve_fixed_point

TIGHT = Broyden(tol=1e-13, max_iter=200)


def linear(radius, n=60, batch=2, dtype=torch.float64):
    """z = z W^T + y with W symmetric, its eigenvalues spread over [0, radius]."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))
    w = (basis * torch.linspace(0, radius, n, dtype=torch.float64)) @ basis.T
    y = torch.randn(batch, n, dtype=torch.float64, generator=generator)
    exact = torch.linalg.solve(torch.eye(n, dtype=torch.float64) - w, y.T).T
    w, y = w.to(dtype), y.to(dtype)
    return (lambda z: z @ w.T + y), torch.zeros_like(y), exact


@pytest.mark.parametrize("memory", [3, 30])
@pytest.mark.parametrize("norm", [0.5, 0.98])
def test_broyden_reaches_the_dense_solution(memory, norm):
    problem = DenseProblem.make(norm=norm)
    solution = solve_fixed_point(problem.f, problem.z0, Broyden(tol=1e-12, max_iter=100, memory=memory))
    assert bool(solution.converged.all())
    assert relative_error(solution.value, problem.solution()) < 1e-10


def test_broyden_needs_fewer_evaluations_than_picard_and_torchdeq():
    # torchdeq 0.1.0's Broyden needs 107 evaluations to 1e-8 on this problem, and 35 to 1e-4.
    f, z0, _ = linear(0.98, n=200)
    broyden, picard = (
        solve_fixed_point(f, z0, solver).n_evaluations
        for solver in (Broyden(tol=1e-8, max_iter=2000), Picard(tol=1e-8, max_iter=2000))
    )
    assert broyden <= 80 < picard
    assert solve_fixed_point(f, z0, Broyden(tol=1e-4)).n_evaluations <= 35


def test_a_restart_beats_a_memory_without_end_near_the_edge():
    f, z0, exact = linear(0.999, n=200)
    limited, endless = (
        solve_fixed_point(f, z0, Broyden(tol=1e-4, max_iter=400, memory=memory)) for memory in (30, 400)
    )
    assert bool(limited.converged.all())
    assert limited.n_evaluations < endless.n_evaluations
    assert relative_error(limited.value, exact) < 0.1


@pytest.mark.parametrize(
    ("dtype", "tol", "error"),
    [(torch.bfloat16, 2e-2, 5e-2), (torch.float32, 1e-6, 1e-5), (torch.float64, 1e-13, 1e-12)],
)
def test_every_precision_reaches_its_own_tolerance(dtype, tol, error):
    f, z0, exact = linear(0.7, dtype=dtype)
    solution = solve_fixed_point(f, z0, Broyden(tol=tol))
    assert bool(solution.converged.all())
    assert solution.value.dtype == dtype
    assert relative_error(solution.value.double(), exact) < error


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_the_problem_does_not_matter(scale):
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(6, 6, generator=generator) / 6
    y = scale * torch.randn(2, 6, generator=generator)
    solution = solve_fixed_point(lambda z: z @ w.T + y, torch.zeros(2, 6), Broyden(tol=1e-5))
    exact = torch.linalg.solve(torch.eye(6) - w, y.T).T
    torch.testing.assert_close(solution.value / scale, exact / scale, rtol=1e-4, atol=1e-5)


def test_tuples_and_complex_states():
    def f(z):
        a, b = z
        return 0.5 * a + 0.1 * b.real + 1, 0.3 * b + 0.2j * a + 1j

    zeros = (torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.complex128))
    a, b = solve_fixed_point(f, zeros, TIGHT).value
    for value, image in zip((a, b), f((a, b)), strict=True):
        torch.testing.assert_close(value, image, rtol=1e-12, atol=1e-12)


def test_a_vanishing_denominator_is_no_breakdown():
    # z - f(z) = A z - b with A skew: s^T H y = s^T A s = 0 exactly at the first correction.
    a = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    solution = solve_fixed_point(lambda z: z - z @ a.T + b, torch.zeros_like(b), TIGHT)
    torch.testing.assert_close(solution.value @ a.T, b, rtol=1e-12, atol=1e-12)


def test_where_the_residual_explodes_the_best_iterate_comes_back():
    # A steep wall on the far side: the undamped step lands in it, the safeguard halves H until it does not.
    def f(z):
        return torch.where(z > 1.2, z - 1e4 * (z - 1.2), 1 - 2 * (z - 1))

    start = torch.full((1, 1), 0.8, dtype=torch.float64)
    solver = Broyden(tol=1e-12)
    with torch.no_grad():
        progress = solver.init(f, start)
        progress = solver.step(f, progress)
        candidate, memory = solver.propose(progress)
    assert float(memory.damping) == 0.5
    torch.testing.assert_close(candidate, start + 0.5 * (f(start) - start))
    torch.testing.assert_close(solve_fixed_point(f, start, solver).value, torch.ones_like(start))


def test_a_sample_depends_on_no_neighbour_even_when_that_one_restarts_often():
    f, z0, _ = linear(0.98, n=40, batch=1)

    def both(z):
        return torch.cat([0.1 * z[:1] + torch.linspace(0, 1, 40, dtype=z.dtype), f(z[1:])])

    solver = Broyden(tol=1e-9, max_iter=300, memory=8)
    with torch.no_grad():
        together = solver.run(both, torch.zeros(2, 40, dtype=torch.float64))
        easy = solver.run(lambda z: both(torch.cat([z, z]))[:1], z0)
        hard = solver.run(f, z0)
        assert easy.n_evaluations < 6
        assert 30 < hard.n_evaluations == together.n_evaluations
        torch.testing.assert_close(together.best_z, torch.cat([easy.best_z, hard.best_z]), rtol=1e-9, atol=0)
        # The early sample keeps the inverse that it had learnt, through all restarts of the other one.
        g = torch.randn(1, 40, dtype=torch.float64)
        kept = solver.inverse_transpose(together, torch.cat([g, g]))
        torch.testing.assert_close(kept[:1], solver.inverse_transpose(easy, g), rtol=1e-10, atol=1e-12)


def test_step_by_step_equals_the_whole_solve():
    problem = DenseProblem.make()
    solver = Broyden(tol=1e-10)
    with torch.no_grad():
        progress = solver.init(problem.f, problem.z0)
        while not solver.terminate(progress):
            progress = solver.step(problem.f, progress)
    solution = solve_fixed_point(problem.f, problem.z0, solver)
    assert torch.equal(progress.best_z, solution.value)


def test_the_inverse_maps_the_last_change_of_the_residual_to_the_step():
    problem = DenseProblem.make(norm=0.9)
    solver = Broyden(tol=1e-13)
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
        transposed = solver.inverse_transpose(after, g)
        torch.testing.assert_close((transposed * change).sum(1), (g * estimate.apply(change)).sum(1))


def test_the_transposed_inverse_is_the_dense_one_where_the_steps_saw_all_of_it():
    # f moves z along one direction only, which the steps span: H is exact there and the identity elsewhere.
    u = torch.linspace(1, 2, 7, dtype=torch.float64)
    jacobian = 0.6 * torch.outer(u, u) / u.square().sum()
    solver = Broyden(tol=1e-14)
    with torch.no_grad():
        end = solver.run(lambda z: z @ jacobian.T + u, torch.zeros(1, 7, dtype=torch.float64))
        g = torch.randn(1, 7, dtype=torch.float64)
        exact = torch.linalg.solve(torch.eye(7, dtype=torch.float64) - jacobian.T, g.T).T
        torch.testing.assert_close(solver.inverse_transpose(end, g), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tol", [1e-12, 1e-14])
def test_steps_within_rounding_teach_nothing(tol):
    # Scaled by three, z rounds differently: whatever H learnt from rounding would differ.
    f, z0, _ = linear(0.9, n=8)
    g = torch.ones_like(z0)
    with torch.no_grad():
        solver = Broyden(tol=tol, max_iter=200)
        plain = solver.inverse_transpose(solver.run(f, z0), g)
        scaled = solver.inverse_transpose(solver.run(lambda z: 3 * f(z / 3), z0), g)
    assert relative_error(scaled, plain) < 1e-4


@pytest.mark.parametrize("norm", [0.5, 0.98])
def test_broyden_solves_adjoint_systems(norm):
    problem = DenseProblem.make(norm=norm)
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(Broyden(tol=1e-13, max_iter=200)))
    value = torch.autograd.grad(z.sin().sum(), problem.weight)[0]
    solution = problem.solution()
    assert relative_error(value, problem.gradient(torch.cos(solution), solution)[0]) < 1e-10


def test_unrolled_broyden_passes_gradcheck():
    problem = DenseProblem.make(n=4, batch=2)

    def g(weight, y):
        p = DenseProblem(weight, y)
        return fixed_point(p.f, p.z0, Broyden(memory=3), Unrolled(6))

    assert torch.autograd.gradcheck(g, (problem.weight, problem.y), eps=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Broyden(memory=0), "at least one correction"),
        (lambda: Broyden(damping=0.0), r"damping must lie in \(0, 1\]"),
        (lambda: Broyden(tol=0.0), "tolerance must be positive"),
    ],
)
def test_unusable_settings_are_one_clear_error(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_the_certificate_bounds_the_error_of_forward_and_adjoint_solves():
    ratios = {"forward": [], "adjoint": []}
    for case in range(60):
        n, radius = 5 + case % 40, (0.3, 0.6, 0.9, 0.98, 0.999)[case % 5]
        weight = torch.randn(n, n, dtype=torch.float64)
        weight = (weight + weight.T) / 2 if case % 2 else weight
        weight = radius * weight / torch.linalg.eigvals(weight).abs().max()
        y = torch.randn(3, n, dtype=torch.float64, requires_grad=True)
        system = torch.eye(n, dtype=torch.float64) - weight
        solver = Broyden(tol=10 ** -(1 + case % 7), max_iter=300)
        with eiwork.record() as reports:
            z = fixed_point(lambda z, w=weight, y=y: z @ w.T + y, torch.zeros_like(y), solver, Implicit(solver))
            g = torch.randn_like(z)
            v = torch.autograd.grad(z, y, g)[0]
        solution = solve_fixed_point(lambda z, w=weight, y=y: z @ w.T + y.detach(), torch.zeros_like(y), solver)
        exact = {
            "forward": torch.linalg.solve(system, y.detach().T).T,
            "adjoint": torch.linalg.solve(system.T, g.T).T,
        }
        found = {"forward": solution.value, "adjoint": v}
        for report in reports:
            error = (found[report.kind] - exact[report.kind]).norm(dim=1) / exact[report.kind].norm(dim=1)
            ratios[report.kind] += (report.error_bound / error.clamp(min=1e-16)).tolist()
    for values in ratios.values():
        assert len(values) == 180
        assert sum(value >= 1 / 3 for value in values) >= 0.95 * len(values)
        assert sorted(values)[90] < 5
