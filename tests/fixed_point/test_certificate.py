"""The certificates of forward and adjoint solves against true errors, on problems with dense solutions."""

import warnings
from dataclasses import replace

import pytest
import torch
from problems import DenseProblem
from torch import Tensor

import eiwork
from eiwork.errors import ConvergenceWarning
from eiwork.fixed_point import GMRES, Anderson, Broyden, Implicit, Picard, fixed_point, solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver

N_CASES = 50  # each of the five kinds of matrix with each of the five radii, twice


class Random:
    """Uniform and normal numbers of one case."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)


def matrix(case: int, random: Random, n: int) -> Tensor:
    """A symmetric, normal, Gaussian, positive or nearly triangular matrix of spectral radius 0.3 to 0.999."""
    a = random.normal(n, n)
    kind = (case // 5) % 5
    if kind == 0:
        a = a + a.T
    elif kind == 1:
        q = torch.linalg.qr(a)[0]
        a = q @ torch.diag(torch.rand(n, generator=random.generator, dtype=torch.float64)) @ q.T
    elif kind == 2:
        a = a.abs()
    elif kind == 3:
        a = a + torch.triu(random.normal(n, n), 1)
    radius = (0.3, 0.6, 0.9, 0.98, 0.999)[case % 5] if case % 2 else random.uniform(0.3, 0.999)
    return a * radius / torch.linalg.eigvals(a).abs().max()


def assert_true(estimates: list[Tensor], errors: list[Tensor]) -> None:
    """In at least 95 % of the samples the estimate is above a third of the true error; and it says something."""
    ratio = torch.cat(estimates) / torch.cat(errors).clamp(min=1e-16)
    assert float((ratio > 1 / 3).double().mean()) >= 0.95
    assert float(ratio.median()) < 6


SOLVERS = [Anderson(), Broyden(max_iter=300), Picard(max_iter=200)]


@pytest.mark.parametrize("solver", [GMRES(max_iter=400), GMRES(), *SOLVERS], ids=repr)
def test_the_adjoint_estimate_is_above_a_third_of_the_true_error(solver):
    dtype = torch.float32 if solver == GMRES() else torch.float64
    estimates, errors = [], []
    for case in range(N_CASES):
        random = Random(case)
        n, batch = int(random.uniform(5, 61)), 1 + case % 4
        transposed = matrix(case, random, n).to(dtype)
        g = random.normal(batch, n).to(dtype)
        tol = 10 ** random.uniform(-8, -1)
        y = torch.zeros(batch, n, dtype=dtype, requires_grad=True)
        with warnings.catch_warnings(), eiwork.record() as reports:
            warnings.simplefilter("ignore", ConvergenceWarning)  # its estimate must be true all the same
            options = {"restart": (5, 10, 40, 40)[case % 4]} if isinstance(solver, GMRES) else {}
            gradient = Implicit(replace(solver, tol=tol, **options))
            z = fixed_point(lambda z, m=transposed, y=y: z @ m + y, y.detach(), Picard(), gradient)
            (v,) = torch.autograd.grad(z, y, g)
        exact = torch.linalg.solve(torch.eye(n) - transposed.double(), g.double().T).T
        estimates.append(reports[-1].error_bound)
        errors.append((v - exact).norm(dim=1) / exact.norm(dim=1))
    assert_true(estimates, errors)


@pytest.mark.parametrize("nonlinear", [False, True], ids=["linear", "tanh"])
@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
def test_the_forward_estimate_is_above_a_third_of_the_true_error(solver, nonlinear):
    estimates, errors = [], []
    for case in range(N_CASES):
        random = Random(case)
        n, batch = int(random.uniform(5, 61)), 1 + case % 4
        weight = matrix(case, random, n)
        y = random.normal(batch, n) * (0.1 if nonlinear else 1.0)

        def f(z, weight=weight, y=y):
            return (torch.tanh(z @ weight.T) if nonlinear else z @ weight.T) + y

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            solution = solve_fixed_point(f, torch.zeros_like(y), replace(solver, tol=10 ** random.uniform(-8, -1)))
        exact = torch.linalg.solve(torch.eye(n) - weight, y.T).T
        if nonlinear:
            for _ in range(20):
                slope = 1 - torch.tanh(exact @ weight.T) ** 2
                system = torch.eye(n) - slope[:, :, None] * weight
                exact = exact - torch.linalg.solve(system, (exact - f(exact))[:, :, None])[:, :, 0]
            if not bool((f(exact) - exact).norm(dim=1).max() < 1e-12):
                continue  # Newton's method found no fixed point to compare with
        estimates.append(solution.error_bound)
        errors.append((solution.value - exact).norm(dim=1) / exact.norm(dim=1))
    assert len(estimates) >= 0.9 * N_CASES
    assert_true(estimates, errors)


def test_in_the_full_space_sigma_min_is_exact():
    m = 0.5 * torch.linalg.qr(Random(0).normal(8, 8))[0] + 0.1 * Random(1).normal(8, 8)
    result = GMRES(tol=1e-14, restart=8).solve_linear(lambda v: v @ m.T, Random(2).normal(2, 8))
    exact = torch.linalg.svdvals(torch.eye(8, dtype=torch.float64) - m)[-1]
    torch.testing.assert_close(result.sigma_min, exact.expand(2))


def test_secants_and_rates_find_sigma_min_of_a_diagonal_map():
    factors = torch.linspace(0, 0.9, 6, dtype=torch.float64)
    for solver, accuracy in ((Anderson(tol=1e-12), 1e-4), (Picard(tol=1e-12, max_iter=500), 1e-3)):
        solution = solve_fixed_point(lambda z: factors * z + 1, torch.zeros(2, 6, dtype=torch.float64), solver)
        exact = torch.full((2,), 0.1, dtype=torch.float64)
        torch.testing.assert_close(solution.sigma_min, exact, rtol=accuracy, atol=0)


@pytest.mark.parametrize("adjoint", [GMRES(), GMRES(restart=5), Anderson(), Picard(max_iter=500)], ids=repr)
def test_the_trace_has_every_evaluation_of_every_solve(adjoint):
    problem = DenseProblem.make()
    with eiwork.record() as reports:
        z = fixed_point(problem.f, problem.z0, Anderson(), Implicit(adjoint))
        torch.autograd.grad(z.sum(), problem.y)
    assert [report.kind for report in reports] == ["forward", "adjoint"]
    for report in reports:
        assert len(report.trace) == report.n_evaluations
        assert all(residual.shape == (3,) for residual in report.trace)
        assert bool((torch.stack(report.trace).amin(0) == report.residual).all())
        assert bool((report.error_bound >= report.residual).all())


@pytest.mark.parametrize("budget", [5, 20, 100])
def test_spectral_radius_0999_converges_or_warns_with_a_true_estimate(budget):
    weight = matrix(4, Random(0), 30)
    weight = 0.999 * weight / torch.linalg.eigvals(weight).abs().max()
    y = Random(1).normal(2, 30).requires_grad_()
    exact = torch.linalg.solve(torch.eye(30) - weight, torch.ones(30, dtype=torch.float64))
    gradient = Implicit(GMRES(tol=1e-10, max_iter=budget))
    z = fixed_point(lambda z: z @ weight + y, 0 * y.detach(), Anderson(), gradient)
    with warnings.catch_warnings(record=True) as caught, eiwork.record() as reports:
        warnings.simplefilter("always")
        (v,) = torch.autograd.grad(z.sum(), y)
    error = (v - exact).norm(dim=1) / exact.norm()
    assert bool((reports[0].error_bound > error / 3).all())
    said = "".join(str(warning.message) for warning in caught)
    assert bool(reports[0].converged.all()) == (budget == 100) == (not said)
    for part in (
        f"adjoint solve by GMRES stopped after {budget} evaluations",
        "estimated relative error of the adjoint",
    ):
        assert part in said or not said


def test_nothing_to_solve_has_no_error_and_nothing_seen_no_estimate():
    zero = GMRES().solve_linear(lambda v: 0.5 * v, torch.tensor([[0.0, 0.0], [1.0, 2.0]]))
    assert zero.error_bound[0] == 0
    assert 0 < zero.error_bound[1] < 1e-5
    done = solve_fixed_point(lambda z: z, torch.ones(2, 3), Anderson())
    assert bool(done.sigma_min.isnan().all())
    assert bool(done.error_bound.isinf().all())


def test_a_method_without_an_estimate_reports_none():
    class Plain(FixedPointSolver):
        def propose(self, progress):
            return progress.fz, None

    with eiwork.record() as reports:
        solution = solve_fixed_point(lambda z: 0.5 * z + 1, torch.zeros(2, 3), Plain())
    assert solution.sigma_min is solution.error_bound is reports[0].sigma_min is reports[0].error_bound is None
