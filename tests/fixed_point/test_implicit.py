"""The implicit gradient against dense solves, and batched GMRES below it: breakdown, restarts, types, vectors."""

import pytest
import torch
from problems import EXACT, TIGHT, DenseProblem, relative_error

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point import GMRES, Anderson, Broyden, Implicit, Picard, fixed_point, record, solve_fixed_point
from eiwork.fixed_point.vectors import Vectors, most_amplified

ADJOINTS = [
    GMRES(tol=1e-13),
    GMRES(tol=1e-13, restart=4, max_iter=400),
    Anderson(tol=1e-13, max_iter=500),
    Broyden(tol=1e-13),
    Picard(tol=1e-13, max_iter=5000),
]


def gradient_of(problem, adjoint):
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(adjoint))
    return torch.autograd.grad(z.sin().sum(), (problem.weight, problem.y))


@pytest.mark.parametrize("adjoint", ADJOINTS, ids=repr)
@pytest.mark.parametrize("norm", [0.5, 0.98])
def test_it_equals_the_dense_solve(adjoint, norm):
    problem = DenseProblem.make(norm=norm)
    z = problem.solution()
    for value, exact in zip(gradient_of(problem, adjoint), problem.gradient(torch.cos(z), z), strict=True):
        assert relative_error(value, exact) < 1e-10


def test_the_adjoint_tolerance_is_kept_and_changes_the_cost():
    problem = DenseProblem.make(n=40, norm=0.98)
    z = problem.solution()
    exact = problem.gradient(torch.cos(z), z)[0]
    counts, errors = [], []
    for tol in (1e-2, 1e-8):
        with record() as reports:
            value = gradient_of(problem, GMRES(tol=tol))[0]
        (adjoint,) = [r for r in reports if r.kind == "adjoint"]
        assert bool((adjoint.residual <= tol).all())
        counts.append(adjoint.n_evaluations)
        errors.append(relative_error(value, exact))
    assert counts[0] < counts[1]
    assert errors[1] < 1e-7 < errors[0]


def test_a_sample_without_gradient_gets_none_and_disturbs_nobody():
    problem = DenseProblem.make()
    z = fixed_point(problem.f, problem.z0, TIGHT, EXACT)
    g = torch.autograd.grad(z[1].sum(), problem.y)[0]
    assert float(g[0].abs().max()) == float(g[2].abs().max()) == 0.0
    solution = problem.solution()
    target = torch.zeros_like(solution)
    target[1] = 1
    torch.testing.assert_close(g, problem.gradient(target, solution)[1], rtol=1e-10, atol=1e-12)


def test_forward_mode_is_refused():
    problem = DenseProblem.make()
    with torch.autograd.forward_ad.dual_level():
        y = torch.autograd.forward_ad.make_dual(problem.y, torch.ones_like(problem.y))
        with pytest.raises(InputError, match="no forward-mode derivatives"):
            fixed_point(DenseProblem(problem.weight, y).f, problem.z0, TIGHT, EXACT)


class Astray(Picard):
    """Picard whose proposals go astray once the residual is small."""

    def propose(self, progress):
        z, memory = super().propose(progress)
        return (z + 1 if bool(progress.converged.all()) else z), memory


@pytest.mark.parametrize(("solver", "extra", "closer"), [(Picard(tol=1e-3), 1, 0.25), (Astray(tol=1e-3), 2, 0.5)])
def test_the_tracked_evaluation_is_one_step_beyond_the_tolerance_and_one_that_misleads_is_taken_back(
    solver, extra, closer
):
    # f(z) = z / 2 + y: every step halves the error, and the value that is returned is two steps further, or one.
    y = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    calls = []

    def f(z):
        calls.append(1)
        return 0.5 * z + y

    solution = solve_fixed_point(f, torch.zeros_like(y), solver)
    z = fixed_point(f, torch.zeros_like(y), solver)
    assert len(calls) == 2 * solution.n_evaluations + extra
    torch.testing.assert_close((2 - z) / (2 - solution.value), torch.full_like(z, closer), rtol=1e-9, atol=0)


# GMRES


def contraction(n: int, batch: int = 3, radius: float = 0.9, dtype: torch.dtype = torch.float64):
    """(M, b, v) with (I - M) v = b, one matrix a sample."""
    generator = torch.Generator().manual_seed(n)
    m = torch.randn(batch, n, n, dtype=torch.float64, generator=generator)
    m = m * (radius / torch.linalg.eigvals(m).abs().amax(1))[:, None, None]
    b = torch.randn(batch, n, dtype=torch.float64, generator=generator)
    v = torch.linalg.solve(torch.eye(n) - m, b)
    return m.to(dtype), b.to(dtype), v


@pytest.mark.parametrize("restart", [3, 7, 40])
@pytest.mark.parametrize("n", [5, 30, 2000])
def test_the_residual_is_true_and_every_sample_solved(n, restart):
    generator = torch.Generator().manual_seed(n)
    d = 0.8 * torch.rand(3, n, dtype=torch.float64, generator=generator)  # long states take another path
    b = torch.randn(3, n, dtype=torch.float64, generator=generator)
    result = GMRES(tol=1e-9, restart=restart, max_iter=400).solve_linear(lambda v: d * v, b)
    residual = (b - (1 - d) * result.value).norm(dim=1) / b.norm(dim=1)
    assert bool(result.converged.all())
    torch.testing.assert_close(result.residual, residual, rtol=1e-3, atol=1e-13)
    assert len(result.trace) == result.n_evaluations


def test_restarts_cost_evaluations_and_the_trace_never_grows_within_a_cycle():
    m, b, v = contraction(60)
    solvers = (GMRES(tol=1e-8, restart=restart, max_iter=400) for restart in (10, 100))
    runs = [solver.solve_linear(lambda u: torch.einsum("bij,bj->bi", m, u), b) for solver in solvers]
    assert runs[0].n_evaluations > runs[1].n_evaluations
    assert bool((torch.stack(runs[1].trace).diff(dim=0) <= 0).all())
    for run in runs:
        torch.testing.assert_close(run.value, v, rtol=1e-6, atol=1e-6)


def test_a_sample_does_not_depend_on_its_neighbours():
    m, b, _ = contraction(20)
    b[1] = 0
    solver = GMRES(tol=1e-3)
    together = solver.solve_linear(lambda u: torch.einsum("bij,bj->bi", m, u), b)
    assert bool((together.value[1] == 0).all())
    for k in (0, 2):
        alone = solver.solve_linear(lambda u, k=k: u @ m[k].T, b[k : k + 1])
        torch.testing.assert_close(together.value[k : k + 1], alone.value, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(together.sigma_min[k : k + 1], alone.sigma_min, rtol=1e-8, atol=0)


def test_a_complete_krylov_space_ends_a_sample_and_not_the_others():
    d = torch.stack([torch.tensor([0.5, 0.5, 0.2, 0.2]), torch.tensor([0.1, 0.3, 0.6, 0.9])]).double()
    result = GMRES(tol=1e-14).solve_linear(lambda v: d * v, torch.ones(2, 4, dtype=torch.float64))
    torch.testing.assert_close(result.value, 1 / (1 - d))
    assert result.n_evaluations == 4


def test_a_singular_system_ends_with_the_smallest_residual_it_can_reach_and_one_not_finite_at_once():
    d = torch.tensor([[1.0, 0.5, 0.5]], dtype=torch.float64)
    result = GMRES(tol=1e-10, max_iter=6).solve_linear(lambda v: d * v, torch.ones(1, 3, dtype=torch.float64))
    assert not bool(result.converged.any())
    with pytest.raises(ConvergenceError, match="adjoint evaluation 1"):
        GMRES().solve_linear(lambda v: v / 0, torch.ones(2, 3))
    torch.testing.assert_close(result.residual, torch.tensor([1 / 3**0.5], dtype=torch.float64))
    assert result.value.isfinite().all()


@pytest.mark.parametrize(("dtype", "tol", "rtol"), [(torch.float32, 1e-6, 1e-4), (torch.bfloat16, 1e-2, 0.1)])
def test_other_types_keep_theirs(dtype, tol, rtol):
    d, b = torch.tensor([[0.9, 0.5, 0.1, 0.0]], dtype=dtype), torch.ones(1, 4, dtype=dtype)
    result = GMRES(tol=tol).solve_linear(lambda v: d * v, b)
    assert result.value.dtype == dtype
    torch.testing.assert_close(result.value.double(), 1 / (1 - d.double()), rtol=rtol, atol=0)


@pytest.mark.parametrize("n", [6, 1500])
def test_vectors_are_a_window_over_what_was_appended(n):
    rows = torch.randn(2, 11, n, dtype=torch.float64)
    w, weights = torch.randn(2, n, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    vectors = Vectors()
    for row in rows.unbind(1):
        vectors = vectors.append(row, keep=4, size=3)
    window = rows[:, -4:]
    assert len(vectors) == 4
    torch.testing.assert_close(vectors.dots(w), torch.einsum("bkn,bn->bk", window, w))
    torch.testing.assert_close(vectors.combine(weights), torch.einsum("bkn,bk->bn", window, weights))


def test_in_the_full_space_it_finds_the_leading_singular_vector_of_each_sample():
    matrices = torch.randn(3, 6, 6, dtype=torch.float64)
    v = most_amplified(lambda u: torch.einsum("bij,bj->bi", matrices, u), torch.randn(3, 6, dtype=torch.float64), 6)
    amplified = torch.einsum("bij,bj->bi", matrices, v).norm(dim=1)
    torch.testing.assert_close(v.norm(dim=1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(amplified, torch.linalg.matrix_norm(matrices, 2))
    matrix, start = torch.randn(40, 40, dtype=torch.float64), torch.randn(1, 40, dtype=torch.float64)
    gains = [float((most_amplified(lambda u: u @ matrix.T, start, k) @ matrix.T).norm()) for k in (2, 6, 12)]
    assert gains[0] < gains[1] < gains[2] <= float(torch.linalg.matrix_norm(matrix, 2)) + 1e-9
