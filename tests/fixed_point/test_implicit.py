"""The implicit gradient against the dense solve of (I - J)^T v = g, and by gradcheck."""

import pytest
import torch
from problems import EXACT, TIGHT, DenseProblem, relative_error

import eiwork
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point import GMRES, Anderson, Broyden, Implicit, Picard, fixed_point

ADJOINTS = [
    GMRES(tol=1e-13),
    GMRES(tol=1e-13, restart=4, max_iter=400),
    Anderson(tol=1e-13, max_iter=500),
    Broyden(tol=1e-13),
    Picard(tol=1e-13, max_iter=5000),
]


def gradient_of(problem, adjoint, scale=1.0):
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(adjoint))
    return torch.autograd.grad(scale * z.sin().sum(), (problem.weight, problem.y))


@pytest.mark.parametrize("adjoint", ADJOINTS, ids=repr)
@pytest.mark.parametrize("norm", [0.5, 0.98])
def test_it_equals_the_dense_solve(adjoint, norm):
    problem = DenseProblem.make(norm=norm)
    z = problem.solution()
    for value, exact in zip(gradient_of(problem, adjoint), problem.gradient(torch.cos(z), z), strict=True):
        assert relative_error(value, exact) < 1e-10


def test_the_scale_of_the_loss_does_not_change_the_gradient():
    problem = DenseProblem.make(norm=0.98)
    plain, *scaled = (gradient_of(problem, GMRES(tol=1e-3), s)[0] / s for s in (1.0, 1e-9, 1e-30, 1e9))
    assert all(relative_error(value, plain) < 1e-10 for value in scaled)


def test_the_adjoint_tolerance_is_kept_and_changes_the_cost():
    problem = DenseProblem.make(n=40, norm=0.98)
    z = problem.solution()
    exact = problem.gradient(torch.cos(z), z)[0]
    counts, errors = [], []
    for tol in (1e-2, 1e-8):
        with eiwork.record() as reports:
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


def test_an_unsolved_adjoint_warns_with_its_residual():
    problem = DenseProblem.make(n=40, norm=0.999)
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(GMRES(tol=1e-12, max_iter=2)))
    with pytest.warns(ConvergenceWarning, match="adjoint solve by GMRES stopped after 2 evaluations"):
        torch.autograd.grad(z.sum(), problem.y)


def test_forward_mode_is_refused():
    problem = DenseProblem.make()
    with torch.autograd.forward_ad.dual_level():
        y = torch.autograd.forward_ad.make_dual(problem.y, torch.ones_like(problem.y))
        with pytest.raises(InputError, match="no forward-mode derivatives"):
            fixed_point(DenseProblem(problem.weight, y).f, problem.z0, TIGHT, EXACT)


def test_the_tracked_evaluation_is_one_step_beyond_the_tolerance():
    # f(z) = z / 2 + y: after k Picard steps the error is 2^-k, and the value that is returned is two steps further.
    solution, z, n_calls = solve_and_differentiate(Picard(tol=1e-3))
    assert n_calls == 2 * solution.n_evaluations + 1
    torch.testing.assert_close((2 - z) / (2 - solution.value), torch.full_like(z, 0.25), rtol=1e-9, atol=0)


class Astray(Picard):
    """Picard whose proposals go astray once the residual is small."""

    def propose(self, progress):
        z, memory = super().propose(progress)
        return (z + 1 if bool(progress.converged.all()) else z), memory


def test_a_step_that_misleads_is_taken_back():
    solution, z, n_calls = solve_and_differentiate(Astray(tol=1e-3))
    assert n_calls == 2 * solution.n_evaluations + 2
    torch.testing.assert_close(z, 0.5 * solution.value + 1)


def solve_and_differentiate(solver):
    """A plain solution of z = z / 2 + 1, then the differentiable fixed point, and the evaluations of both."""
    y = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    calls = []

    def f(z):
        calls.append(1)
        return 0.5 * z + y

    solution = eiwork.solve_fixed_point(f, torch.zeros_like(y), solver)
    return solution, eiwork.fixed_point(f, torch.zeros_like(y), solver), len(calls)
