"""Batched GMRES: per-sample answers, breakdown, restarts, types; and the vectors it is built on."""

import pytest
import torch

from eiwork.errors import ConvergenceError
from eiwork.fixed_point import GMRES
from eiwork.fixed_point.adjoint import HessenbergProblem
from eiwork.fixed_point.vectors import Vectors, most_amplified, orthogonalise_


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


def test_the_running_minimum_equals_the_least_squares_solution():
    generator = torch.Generator().manual_seed(0)
    h = torch.triu(torch.randn(2, 6, 5, generator=generator, dtype=torch.float64), -1)
    problem = HessenbergProblem(torch.tensor([1.0, 3.0], dtype=torch.float64), 5)
    right = torch.zeros(2, 6, 1, dtype=torch.float64)
    right[:, 0, 0] = problem.start
    for k in range(5):
        problem.append(h[:, : k + 2, k], torch.tensor([True, k < 3]))
        y = torch.linalg.lstsq(h[:, :, : k + 1], right).solution
        minimum = (right - h[:, :, : k + 1] @ y).norm(dim=(1, 2))
        torch.testing.assert_close(problem.minimum[0], minimum[0])
    first = torch.linalg.lstsq(h[1, :, :3], right[1]).solution[:, 0]
    torch.testing.assert_close(problem.solve()[1], torch.cat([first, torch.zeros(2, dtype=torch.float64)]))
    torch.testing.assert_close(problem.sigma_min()[0], torch.linalg.svdvals(h[0])[-1])
    torch.testing.assert_close(problem.sigma_min()[1], torch.linalg.svdvals(h[1, :, :3])[-1])


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


def test_an_older_list_stays_valid_and_can_be_continued_differently():
    a, b, c = torch.eye(3)[:, None].unbind(0)
    old = Vectors().append(a, keep=3, size=3)
    new = old.append(b, keep=3, size=3)
    other = old.append(c, keep=3, size=3)
    for vectors, expected in ((old, [a]), (new, [a, b]), (other, [a, c])):
        assert torch.equal(torch.cat(vectors.parts(), dim=1), torch.stack(expected, dim=1))


def test_orthogonalise_splits_exactly():
    vectors = torch.linalg.qr(torch.randn(2, 9, 4, dtype=torch.float64))[0].transpose(1, 2)
    w = torch.randn(2, 9, dtype=torch.float64)
    basis = Vectors()
    for v in vectors.unbind(1):
        basis = basis.append(v, keep=4, size=3)
    rest = w.clone()
    column = orthogonalise_(basis, rest)
    torch.testing.assert_close(torch.einsum("bk,bkn->bn", column, vectors) + rest, w)
    assert float(torch.einsum("bkn,bn->bk", vectors, rest).abs().max()) < 1e-14


def test_in_the_full_space_it_finds_the_leading_singular_vector_of_each_sample():
    matrices = torch.randn(3, 6, 6, dtype=torch.float64)
    v = most_amplified(lambda u: torch.einsum("bij,bj->bi", matrices, u), torch.randn(3, 6, dtype=torch.float64), 6)
    amplified = torch.einsum("bij,bj->bi", matrices, v).norm(dim=1)
    torch.testing.assert_close(v.norm(dim=1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(amplified, torch.linalg.matrix_norm(matrices, 2))
    matrix, start = torch.randn(40, 40, dtype=torch.float64), torch.randn(1, 40, dtype=torch.float64)
    gains = [float((most_amplified(lambda u: u @ matrix.T, start, k) @ matrix.T).norm()) for k in (2, 6, 12)]
    assert gains[0] < gains[1] < gains[2] <= float(torch.linalg.matrix_norm(matrix, 2)) + 1e-9
