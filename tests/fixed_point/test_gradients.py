"""Every gradient mode against the dense solve of (I - J)^T v = g, and by gradcheck."""

import inspect

import pytest
import torch
from problems import DenseProblem, relative_error

import eiwork
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit, JacobianFree, Picard, Unrolled, fixed_point

TIGHT = Anderson(tol=1e-14, max_iter=500)
ADJOINTS = [
    GMRES(tol=1e-13),
    GMRES(tol=1e-13, restart=4, max_iter=400),
    Anderson(tol=1e-13, max_iter=500),
    Picard(tol=1e-13, max_iter=5000),
]


def implicit_gradient(problem, adjoint, scale=1.0):
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(adjoint))
    return torch.autograd.grad(scale * z.sin().sum(), (problem.weight, problem.y))


@pytest.mark.parametrize("adjoint", ADJOINTS, ids=repr)
@pytest.mark.parametrize("norm", [0.5, 0.98])
def test_implicit_equals_the_dense_solve(adjoint, norm):
    problem = DenseProblem.make(norm=norm)
    z = problem.solution()
    reference = problem.gradient(torch.cos(z), z)
    for value, exact in zip(implicit_gradient(problem, adjoint), reference, strict=True):
        assert relative_error(value, exact) < 1e-10


def test_implicit_passes_gradcheck():
    problem = DenseProblem.make(n=5, batch=2)

    def g(weight, y):
        p = DenseProblem(weight, y)
        return fixed_point(p.f, p.z0, TIGHT, Implicit(GMRES(tol=1e-13)))

    assert torch.autograd.gradcheck(g, (problem.weight, problem.y), eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("solver", [Picard(), Anderson()], ids=repr)
def test_unrolled_passes_gradcheck_and_is_the_finite_iteration(solver):
    problem = DenseProblem.make(n=4, batch=2)

    def g(weight, y):
        p = DenseProblem(weight, y)
        return fixed_point(p.f, p.z0, solver, Unrolled(4))

    assert torch.autograd.gradcheck(g, (problem.weight, problem.y), eps=1e-6, atol=1e-7)
    with torch.no_grad():
        assert torch.equal(g(problem.weight, problem.y), g(problem.weight, problem.y))
    if isinstance(solver, Picard):
        z = problem.z0
        for _ in range(4):
            z = problem.f(z)
        torch.testing.assert_close(g(problem.weight, problem.y), z)


def test_unrolled_converges_to_the_implicit_gradient():
    problem = DenseProblem.make()
    z = problem.solution()
    exact = problem.gradient(torch.cos(z), z)[0]
    errors = []
    for steps in (5, 400):
        out = fixed_point(problem.f, problem.z0, Picard(), Unrolled(steps))
        errors.append(relative_error(torch.autograd.grad(out.sin().sum(), problem.weight)[0], exact))
    assert errors[1] < 1e-10 < errors[0]


def test_jacobian_free_is_the_gradient_of_one_evaluation_and_biased():
    problem = DenseProblem.make()
    z = problem.solution()
    out = fixed_point(problem.f, problem.z0, TIGHT, JacobianFree())
    value = torch.autograd.grad(out.sin().sum(), problem.weight)[0]
    one_evaluation = torch.autograd.grad(problem.f(z), problem.weight, torch.cos(z))[0]
    assert relative_error(value, one_evaluation) < 1e-10
    assert relative_error(value, problem.gradient(torch.cos(z), z)[0]) > 0.1


@pytest.mark.parametrize("scale", [1e-9, 1e-30, 1e9])
def test_the_scale_of_the_loss_does_not_change_the_gradient(scale):
    problem = DenseProblem.make(norm=0.98)
    plain = implicit_gradient(problem, GMRES(tol=1e-3))[0]
    scaled = implicit_gradient(problem, GMRES(tol=1e-3), scale)[0]
    assert relative_error(scaled / scale, plain) < 1e-10


def test_the_adjoint_tolerance_is_kept_and_changes_the_cost():
    problem = DenseProblem.make(n=40, norm=0.98)
    z = problem.solution()
    exact = problem.gradient(torch.cos(z), z)[0]
    counts, errors = [], []
    for tol in (1e-2, 1e-8):
        with eiwork.record() as reports:
            value = implicit_gradient(problem, GMRES(tol=tol))[0]
        adjoint = [r for r in reports if r.kind == "adjoint"]
        assert len(adjoint) == 1
        assert bool((adjoint[0].residual <= tol).all())
        counts.append(adjoint[0].n_evaluations)
        errors.append(relative_error(value, exact))
    assert counts[0] < counts[1]
    assert errors[1] < 1e-7 < errors[0]


def test_gmres_solves_exactly_when_the_krylov_space_is_complete():
    # A rank-one J has a two-dimensional Krylov space; continuing past it must not divide by zero.
    u, w = torch.randn(2, 6, dtype=torch.float64)
    y = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    jacobian = 0.5 * torch.outer(u, w) / (u.norm() * w.norm())
    z = fixed_point(
        lambda z: z @ jacobian.T + y,
        torch.zeros(2, 6, dtype=torch.float64),
        TIGHT,
        Implicit(GMRES(tol=1e-15)),
    )
    g = torch.autograd.grad(z.sum(), y)[0]
    exact = torch.linalg.solve(torch.eye(6, dtype=torch.float64) - jacobian.T, torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(g, exact.expand(2, 6), rtol=1e-12, atol=1e-12)


def test_a_sample_without_gradient_gets_none_and_disturbs_nobody():
    problem = DenseProblem.make()
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(GMRES(tol=1e-13)))
    g = torch.autograd.grad(z[1].sum(), problem.y)[0]
    assert float(g[0].abs().max()) == float(g[2].abs().max()) == 0.0
    solution = problem.solution()
    target = torch.zeros_like(solution)
    target[1] = 1
    torch.testing.assert_close(g, problem.gradient(target, solution)[1], rtol=1e-10, atol=1e-12)


def test_repeated_backward_through_one_graph():
    problem = DenseProblem.make()
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(GMRES(tol=1e-13)))
    first = torch.autograd.grad(z.sum(), problem.weight, retain_graph=True)[0]
    second = torch.autograd.grad(z.sum(), problem.weight)[0]
    assert torch.equal(first, second)


def test_tuple_states_have_the_dense_gradient():
    problem = DenseProblem.make()

    def split(z):
        a, b = z
        out = problem.f(torch.cat([a, b], dim=1))
        return out[:, :5], out[:, 5:]

    z0 = (problem.z0[:, :5], problem.z0[:, 5:])
    a, b = fixed_point(split, z0, TIGHT, Implicit(GMRES(tol=1e-13)))
    value = torch.autograd.grad(torch.cat([a, b], dim=1).sin().sum(), problem.weight)[0]
    z = problem.solution()
    assert relative_error(value, problem.gradient(torch.cos(z), z)[0]) < 1e-10


def test_complex_states_have_the_gradient_of_their_real_form():
    generator = torch.Generator().manual_seed(1)
    w = 0.2 * torch.randn(4, 4, dtype=torch.complex128, generator=generator)
    y = torch.randn(2, 4, dtype=torch.complex128, generator=generator, requires_grad=True)

    def g(y):
        return fixed_point(
            lambda z: z @ w.T + y,
            torch.zeros(2, 4, dtype=torch.complex128),
            TIGHT,
            Implicit(GMRES(tol=1e-13)),
        )

    exact = torch.linalg.solve(torch.eye(4) - w, y.T).T
    torch.testing.assert_close(g(y), exact, rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(g, (y,), eps=1e-6, atol=1e-7)


def test_no_graph_is_kept_where_gradients_are_off():
    problem = DenseProblem.make()
    with torch.no_grad():
        assert not fixed_point(problem.f, problem.z0).requires_grad


def test_an_unsolved_adjoint_warns_with_its_residual():
    problem = DenseProblem.make(n=40, norm=0.999)
    z = fixed_point(problem.f, problem.z0, TIGHT, Implicit(GMRES(tol=1e-12, max_iter=2)))
    with pytest.warns(ConvergenceWarning, match="adjoint solve by GMRES stopped after 2 evaluations"):
        torch.autograd.grad(z.sum(), problem.y)


@pytest.mark.parametrize("gradient", [Implicit, "implicit"])
def test_a_gradient_mode_is_an_object(gradient):
    with pytest.raises(InputError, match="pass an object"):
        inspect.unwrap(fixed_point)(lambda z: z, torch.zeros(1, 1), gradient=gradient)
