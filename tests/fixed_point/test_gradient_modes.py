"""The approximate and the finite gradient modes: each against the dense formula or the autograd graph it stands for."""

import pytest
import torch
from problems import DenseProblem, relative_error

import eiwork
from eiwork.analysis import saved_bytes
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import (
    SHINE,
    Anderson,
    Broyden,
    Implicit,
    JacobianFree,
    Neumann,
    Phantom,
    Picard,
    Reversible,
    Unrolled,
    fixed_point,
)

TIGHT = Anderson(tol=1e-14, max_iter=500)
BROYDEN = Broyden(tol=1e-12, max_iter=200)
FIRST_ORDER = [JacobianFree(), Phantom(3), Neumann(3), SHINE(), Reversible(6)]
MODES = [Implicit(), *FIRST_ORDER, Unrolled(6), Unrolled(6, checkpoint_every=2)]


def weight_gradient(problem, gradient, solver=TIGHT, scale=1.0):
    z = fixed_point(problem.f, problem.z0, solver, gradient)
    return torch.autograd.grad(scale * z.sin().sum(), problem.weight)[0]


def dense_neumann(problem, z, terms):
    """sum_{k <= terms} (J^T)^k g by dense powers, pulled back to the weight."""
    transposed = problem.jacobian(z).transpose(1, 2)
    term = total = torch.cos(z)
    for _ in range(terms):
        term = (transposed @ term[:, :, None])[:, :, 0]
        total = total + term
    return torch.autograd.grad(problem.f(z), problem.weight, total)[0]


def reversible_by_autograd(f, z0, steps, damping):
    y = z = z0
    for _ in range(steps):
        y = (1 - damping) * y + damping * f(z)
        z = (1 - damping) * z + damping * f(y)
    return z


# Neumann


@pytest.mark.parametrize("terms", [0, 1, 2, 7])
def test_neumann_is_the_sum_of_dense_powers(terms):
    problem = DenseProblem.make()
    value = weight_gradient(problem, Neumann(terms))
    assert relative_error(value, dense_neumann(problem, problem.solution(), terms)) < 1e-12


def test_neumann_without_terms_is_jacobian_free():
    problem = DenseProblem.make()
    assert torch.equal(weight_gradient(problem, Neumann(0)), weight_gradient(problem, JacobianFree()))


def test_neumann_reports_its_products_and_the_size_of_the_last_term():
    problem = DenseProblem.make()
    with eiwork.record() as reports:
        weight_gradient(problem, Neumann(4))
    adjoint = [report for report in reports if report.kind == "adjoint"]
    assert [report.n_evaluations for report in adjoint] == [4]
    z = problem.solution()
    g = torch.cos(z)
    last = torch.linalg.matrix_power(problem.jacobian(z).transpose(1, 2), 4) @ g[:, :, None]
    torch.testing.assert_close(adjoint[0].residual, last[:, :, 0].norm(dim=1) / g.norm(dim=1))


def test_a_growing_neumann_series_warns():
    w = torch.diag(torch.tensor([-2.0, 0.5], dtype=torch.float64))
    y = torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    z = fixed_point(lambda z: z @ w.T + y, torch.zeros_like(y), Anderson(tol=1e-10), Neumann(5))
    with pytest.warns(ConvergenceWarning, match="series grows for 1 of 1 samples"):
        torch.autograd.grad(z.sum(), y)


# Phantom


@pytest.mark.parametrize(("steps", "damping"), [(1, 1.0), (4, 0.5)])
def test_phantom_is_autograd_through_its_steps(steps, damping):
    problem = DenseProblem.make()
    z = problem.solution()
    for _ in range(steps):
        z = (1 - damping) * z + damping * problem.f(z)
    exact = torch.autograd.grad(z.sin().sum(), problem.weight)[0]
    assert relative_error(weight_gradient(problem, Phantom(steps, damping)), exact) < 1e-12


def test_one_undamped_phantom_step_is_jacobian_free_and_many_are_implicit():
    problem = DenseProblem.make()
    free, exact = (weight_gradient(problem, mode) for mode in (JacobianFree(), Implicit()))
    assert relative_error(weight_gradient(problem, Phantom(1, 1.0)), free) < 1e-12
    assert relative_error(weight_gradient(problem, Phantom(200, 1.0)), exact) < 1e-5


# SHINE


def edge_of_contraction():
    """A symmetric map of spectral radius 0.98, where a short forward solve teaches a poor inverse."""
    basis, _ = torch.linalg.qr(torch.randn(64, 64, dtype=torch.float64))
    w = (basis * torch.linspace(0, 0.98, 64, dtype=torch.float64)) @ basis.T
    return DenseProblem(w, torch.randn(3, 64, dtype=torch.float64)), w


def test_shine_is_nearer_to_the_exact_gradient_than_jacobian_free():
    problem = DenseProblem.make(n=40, norm=0.98)
    z = problem.solution()
    exact = problem.gradient(torch.cos(z), z)[0]
    shine, free = (relative_error(weight_gradient(problem, mode, BROYDEN), exact) for mode in (SHINE(), JacobianFree()))
    assert shine < 0.9 * free


def test_shine_is_exact_where_the_forward_solve_saw_all_of_the_jacobian():
    u = torch.linspace(1, 2, 7, dtype=torch.float64)
    w = (0.6 * torch.outer(u, u) / u.square().sum()).requires_grad_()
    value, exact = (
        torch.autograd.grad(
            fixed_point(lambda z: z @ w.T + u, torch.zeros(1, 7, dtype=torch.float64), BROYDEN, mode).sin().sum(),
            w,
        )[0]
        for mode in (SHINE(), Implicit())
    )
    assert relative_error(value, exact) < 1e-6


def test_shine_applies_the_inverse_of_the_forward_solve():
    problem = DenseProblem.make(n=40, norm=0.9)
    with torch.no_grad():
        end = BROYDEN.run(problem.f, problem.z0)
        v = BROYDEN.inverse_transpose(end, torch.cos(end.best_z))
    expected = torch.autograd.grad(problem.f(end.best_z), problem.weight, v)[0]
    with eiwork.record() as reports:
        value = weight_gradient(problem, SHINE(float("inf")), BROYDEN)
    assert relative_error(value, expected) < 1e-12
    assert reports[-1].n_evaluations == 2
    transposed = problem.jacobian(end.best_z).transpose(1, 2)
    g = torch.cos(end.best_z)
    residual = (g + (transposed @ v[:, :, None])[:, :, 0] - v).norm(dim=1) / g.norm(dim=1)
    torch.testing.assert_close(reports[-1].residual, residual)


def test_shine_falls_back_per_sample_and_says_so():
    _, w = edge_of_contraction()
    y = torch.randn(2, 64, dtype=torch.float64, requires_grad=True)
    contraction = torch.tensor([[0.3], [1.0]], dtype=torch.float64)

    def f(z):
        # The first sample is rank one beyond the identity's reach and easy; the second is at the edge.
        return torch.cat([0.3 * z[:1], (contraction * z)[1:] @ w.T]) + y

    solver = Broyden(tol=1e-3)
    z = fixed_point(f, torch.zeros_like(y), solver, SHINE())
    with (
        eiwork.record() as reports,
        pytest.warns(ConvergenceWarning, match="Jacobian-free gradient for 1 of 2 samples"),
    ):
        value = torch.autograd.grad(z.sum(), y)[0]
    assert reports[0].converged.tolist() == [True, False]
    # df/dy is the identity: the second sample has v = g, the first the exact 1 / (1 - 0.3) along its own step only.
    assert torch.equal(value[1], torch.ones_like(value[1]))
    assert not torch.equal(value[0], torch.ones_like(value[0]))
    never = fixed_point(f, torch.zeros_like(y), solver, SHINE(float("inf")))
    assert float(torch.autograd.grad(never.sum(), y)[0][1].norm()) > 100


def test_shine_needs_broyden():
    problem = DenseProblem.make()
    with pytest.raises(InputError, match="pass solver=Broyden"):
        fixed_point(problem.f, problem.z0, Anderson(), SHINE())


# Reversible


@pytest.mark.parametrize(("steps", "damping"), [(1, 0.5), (10, 0.5), (5, 0.8)])
def test_reversible_is_autograd_through_the_finite_iteration(steps, damping):
    problem = DenseProblem.make()
    z0 = torch.randn_like(problem.y).requires_grad_()
    tensors = (problem.weight, problem.y, z0)
    expected = reversible_by_autograd(problem.f, z0, steps, damping)
    value = fixed_point(problem.f, z0, gradient=Reversible(steps, damping))
    torch.testing.assert_close(value, expected, rtol=1e-13, atol=1e-13)
    for a, b in zip(
        torch.autograd.grad(value.sin().sum(), tensors),
        torch.autograd.grad(expected.sin().sum(), tensors),
        strict=True,
    ):
        assert relative_error(a, b) < 1e-10


def test_reversible_passes_gradcheck():
    problem = DenseProblem.make(n=4, batch=2)

    def g(weight, y, z0):
        return fixed_point(DenseProblem(weight, y).f, z0, gradient=Reversible(5))

    z0 = problem.z0.clone().requires_grad_()
    assert torch.autograd.gradcheck(g, (problem.weight, problem.y, z0), eps=1e-6, atol=1e-7)


def test_reversible_counts_each_path_once_where_one_closed_over_tensor_comes_from_another():
    problem = DenseProblem.make()
    y = problem.y + problem.weight.sum(dim=1)

    def f(z):
        return DenseProblem(problem.weight, y).f(z)

    value = fixed_point(f, problem.z0, gradient=Reversible(4))
    expected = reversible_by_autograd(f, problem.z0, 4, 0.5)
    for a, b in zip(
        torch.autograd.grad(value.sum(), (problem.weight, problem.y), retain_graph=True),
        torch.autograd.grad(expected.sum(), (problem.weight, problem.y), retain_graph=True),
        strict=True,
    ):
        assert relative_error(a, b) < 1e-10


def test_reversible_reaches_the_parameters_of_a_module():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 6)).double()

    def f(z):
        return 0.5 * network(z)

    z0 = torch.zeros(2, 6, dtype=torch.float64)
    parameters = tuple(network.parameters())
    value = fixed_point(f, z0, gradient=Reversible(6))
    expected = reversible_by_autograd(f, z0, 6, 0.5)
    for a, b in zip(
        torch.autograd.grad(value.square().sum(), parameters),
        torch.autograd.grad(expected.square().sum(), parameters),
        strict=True,
    ):
        assert relative_error(a, b) < 1e-10


def test_reversible_memory_does_not_grow_with_the_steps():
    problem = DenseProblem.make(n=30)
    kept = [
        saved_bytes(lambda mode=mode: fixed_point(problem.f, problem.z0, Picard(), mode))
        for mode in (Reversible(2), Reversible(12), Unrolled(4), Unrolled(24))
    ]
    assert kept[0] == kept[1] < kept[2] < kept[3]


def test_reversible_in_float32_keeps_the_accuracy_of_float32():
    problem = DenseProblem.make(n=30, norm=0.98)
    single = DenseProblem(problem.weight.detach().float().requires_grad_(), problem.y.detach().float())
    expected = torch.autograd.grad(reversible_by_autograd(problem.f, problem.z0, 12, 0.5).sin().sum(), problem.weight)[
        0
    ]
    with eiwork.record() as reports:
        value = weight_gradient(single, Reversible(), Picard())
    assert value.dtype == torch.float32
    assert relative_error(value.double(), expected) < 1e-5
    assert [report.kind for report in reports] == ["forward", "adjoint"]
    assert [report.n_evaluations for report in reports] == [24, 24]
    assert float(reports[1].residual.max()) < 1e-6


def test_too_many_reversible_steps_warn_of_their_drift():
    problem = DenseProblem.make()
    with pytest.warns(ConvergenceWarning, match="Undoing 60 reversible steps drifted by up to"):
        weight_gradient(problem, Reversible(60))


def test_a_diverging_reversible_iteration_raises():
    with pytest.raises(ConvergenceError, match="within 400 reversible steps"):
        fixed_point(lambda z: 100 * z + 1, torch.ones(1, 1, dtype=torch.float64), gradient=Reversible(400))


class Opaque(torch.autograd.Function):
    """A product that no one can look into."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, (g * a).sum()


def test_reversible_refuses_what_it_cannot_follow():
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    with pytest.raises(InputError, match=r"direct argument of a custom autograd.Function"):
        fixed_point(lambda z: Opaque.apply(z, scale), torch.ones(2, 3, dtype=torch.float64), gradient=Reversible(2))


# Unrolled with checkpoints


@pytest.mark.parametrize("solver", [Picard(), Anderson(), Broyden()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("every", [1, 4, 12])
def test_checkpoints_change_the_memory_and_not_the_gradient(solver, every):
    problem = DenseProblem.make()
    plain, checkpointed = Unrolled(12), Unrolled(12, checkpoint_every=every)
    assert torch.equal(weight_gradient(problem, plain, solver), weight_gradient(problem, checkpointed, solver))
    big, small = (
        saved_bytes(lambda mode=mode: fixed_point(problem.f, problem.z0, solver, mode))
        for mode in (plain, checkpointed)
    )
    assert small < big / 2


def test_checkpointed_unrolling_evaluates_again_and_no_more():
    problem = DenseProblem.make()
    calls = []

    def f(z):
        calls.append(1)
        return problem.f(z)

    with eiwork.record() as reports:
        z = fixed_point(f, problem.z0, Picard(), Unrolled(9, checkpoint_every=3))
    assert len(calls) == reports[0].n_evaluations == 9
    torch.autograd.grad(z.sum(), problem.weight)
    assert len(calls) == 18


@pytest.mark.parametrize("mode", [Unrolled(3), Unrolled(4, checkpoint_every=2)], ids=repr)
def test_unrolled_has_the_second_derivative_of_its_iteration(mode):
    problem = DenseProblem.make(n=3, batch=1)

    def g(weight, y):
        return fixed_point(DenseProblem(weight, y).f, torch.zeros_like(y), Picard(), mode)

    assert torch.autograd.gradgradcheck(g, (problem.weight, problem.y), eps=1e-6, atol=1e-6)
