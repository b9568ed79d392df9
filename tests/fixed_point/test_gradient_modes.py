"""Every gradient mode: what all share, and each against the dense formula or the autograd graph that it stands for."""

import pytest
import torch
from problems import FIRST_ORDER, MODES, TIGHT, DenseProblem, Opaque, relative_error, weight_gradient
from torch import func

from eiwork import fixed_point, record
from eiwork.analysis import saved_bytes
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import Anderson, Broyden, Implicit, JacobianFree, Neumann, Phantom, Picard, Reversible, Unrolled
from eiwork.fixed_point.solve import solve_fixed_point


def reversible_by_autograd(f, z0, steps, damping):
    y = z = z0
    for _ in range(steps):
        y = (1 - damping) * y + damping * f(z)
        z = (1 - damping) * z + damping * f(y)
    return z


def assert_same_gradients(value, expected, tensors, tolerance=1e-10):
    gradients = (torch.autograd.grad(z.sin().sum(), tensors, retain_graph=True) for z in (value, expected))
    for found, exact in zip(*gradients, strict=True):
        assert relative_error(found, exact) < tolerance


@pytest.mark.parametrize("mode", FIRST_ORDER, ids=repr)
def test_a_first_order_mode_refuses_a_second_derivative(mode):
    problem = DenseProblem.make()
    z = fixed_point(problem.f, problem.z0, TIGHT, mode)
    with pytest.raises(InputError, match=r"Use gradient=Implicit\(\)"):
        torch.autograd.grad(z.sum(), problem.weight, create_graph=True)


TRANSFORMS = {
    "grad": lambda g, y: func.grad(lambda y: g(y).sum())(y),
    "vjp": func.vjp,
    "jvp": lambda g, y: func.jvp(g, (y,), (y,)),
    "jacrev": lambda g, y: func.jacrev(g)(y),
    "vmap": lambda g, y: func.vmap(g)(torch.stack([y, y])),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
@pytest.mark.parametrize("mode", [Implicit(), *FIRST_ORDER, None], ids=repr)
def test_a_solve_inside_a_transform_is_one_clear_error(transform, mode):
    problem = DenseProblem.make()

    def g(y):
        f = DenseProblem(problem.weight.detach(), y).f
        if mode is None:
            return solve_fixed_point(f, torch.zeros_like(y)).value
        return fixed_point(f, torch.zeros_like(y), gradient=mode)

    with pytest.raises(InputError, match=r"inside a torch.func transform .* Use torch.autograd"):
        transform(g, problem.y.detach())


@pytest.mark.parametrize("solver", [Picard(), Anderson(), Broyden()], ids=repr)
def test_unrolling_is_ordinary_operations_to_torch_func(solver):
    problem = DenseProblem.make(n=4)

    def g(y):
        return fixed_point(DenseProblem(problem.weight.detach(), y).f, torch.zeros_like(y), solver, Unrolled(5))

    found = func.jacrev(g)(problem.y.detach())
    torch.testing.assert_close(found, torch.autograd.functional.jacobian(g, problem.y))
    with pytest.raises(InputError, match="Fold a mapped axis into the batch"):
        func.vmap(g)(torch.stack([problem.y.detach()] * 2))


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_backward_twice_and_a_scaled_loss_give_the_same_gradient_and_two_calls_in_one_graph_their_sum(mode):
    problem = DenseProblem.make()
    z = fixed_point(problem.f, problem.z0, TIGHT, mode)
    first = torch.autograd.grad(z.sin().sum(), problem.weight, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(z.sin().sum(), problem.weight)[0])
    for scale in (1e-30, 1e9):
        assert relative_error(weight_gradient(problem, mode, scale=scale) / scale, first) < 1e-10
    other = DenseProblem(problem.weight, DenseProblem.make(seed=1).y)
    together = sum(fixed_point(p.f, p.z0, TIGHT, mode).sin().sum() for p in (problem, other))
    apart = first + weight_gradient(other, mode)
    assert relative_error(torch.autograd.grad(together, problem.weight)[0], apart) < 1e-12


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_tuple_states_have_the_gradient_of_the_joined_state(mode):
    problem = DenseProblem.make()

    def split(z):
        out = problem.f(torch.cat(z, dim=1))
        return out[:, :5], out[:, 5:]

    parts = fixed_point(split, (problem.z0[:, :5], problem.z0[:, 5:]), TIGHT, mode)
    value = torch.autograd.grad(torch.cat(parts, dim=1).sin().sum(), problem.weight)[0]
    assert relative_error(value, weight_gradient(problem, mode)) < 1e-10


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_complex_states_have_the_gradient_of_their_real_form(mode):
    w = 0.2 * torch.randn(4, 4, dtype=torch.complex128)
    real = torch.cat([torch.cat([w.real, -w.imag], 1), torch.cat([w.imag, w.real], 1)])
    y = torch.randn(2, 4, dtype=torch.complex128, requires_grad=True)
    stacked = torch.cat([y.real, y.imag], 1).detach().requires_grad_()
    z = fixed_point(lambda z: z @ real.T + stacked, torch.zeros_like(stacked), TIGHT, mode)
    expected = torch.autograd.grad(z.square().sum(), stacked)[0]
    z = fixed_point(lambda z: z @ w.T + y, torch.zeros_like(y), TIGHT, mode)
    value = torch.autograd.grad(z.abs().square().sum(), y)[0]
    torch.testing.assert_close(torch.cat([value.real, value.imag], 1), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("norm", [0.75, 0.98])
def test_the_order_of_the_errors(norm):
    problem = DenseProblem.make(n=40, norm=norm)
    z = problem.solution()
    exact = problem.gradient(torch.cos(z), z)[0]
    errors = [
        relative_error(weight_gradient(problem, mode), exact)
        for mode in (Implicit(), Neumann(5), Phantom(5, 0.5), JacobianFree())
    ]
    assert errors[0] < 1e-5
    assert errors == sorted(errors)
    assert errors[-1] < 1


GROWING = torch.diag(torch.tensor([-2.0, 0.5], dtype=torch.float64))
WRONG = [
    (lambda z, y: z @ GROWING + y, Neumann(5), ConvergenceWarning, "grows for 2 of 2"),
    (
        lambda z, y: 0.5 * z.tanh() + y,
        Reversible(60),
        ConvergenceWarning,
        "Undoing 60 reversible steps drifted by up to",
    ),
    (lambda z, y: 100 * z + y, Reversible(400), ConvergenceError, "within 400 reversible steps"),
    (Opaque.apply, Reversible(2), InputError, "direct argument of a custom autograd.Function"),
]


@pytest.mark.parametrize(("f", "mode", "kind", "match"), WRONG)
def test_what_goes_wrong_is_told(f, mode, kind, match):
    y = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    with (pytest.warns if kind is ConvergenceWarning else pytest.raises)(kind, match=match):
        z = fixed_point(lambda z: f(z, y), torch.zeros_like(y), Anderson(tol=1e-10), mode)
        torch.autograd.grad(z.sum(), y)


@pytest.mark.parametrize("terms", [0, 1, 2, 7])
def test_neumann_is_the_sum_of_dense_powers_and_reports_the_last_term(terms):
    problem = DenseProblem.make()
    z = problem.solution()
    transposed = problem.jacobian(z).transpose(1, 2)
    term = total = torch.cos(z)
    for _ in range(terms):
        term = (transposed @ term[:, :, None])[:, :, 0]
        total = total + term
    expected = torch.autograd.grad(problem.f(z), problem.weight, total)[0]
    with record() as reports:
        value = weight_gradient(problem, Neumann(terms))
    assert relative_error(value, expected) < 1e-12
    (adjoint,) = [report for report in reports if report.kind == "adjoint"]
    assert adjoint.n_evaluations == terms
    torch.testing.assert_close(adjoint.residual, term.norm(dim=1) / torch.cos(z).norm(dim=1))
    if terms == 0:
        assert torch.equal(value, weight_gradient(problem, JacobianFree()))


@pytest.mark.parametrize(
    ("mode", "steps", "damping"), [(JacobianFree(), 1, 1.0), (Phantom(1, 1.0), 1, 1.0), (Phantom(4, 0.5), 4, 0.5)]
)
def test_phantom_and_jacobian_free_are_autograd_through_their_steps(mode, steps, damping):
    problem = DenseProblem.make()
    start = z = problem.solution()
    for _ in range(steps):
        z = (1 - damping) * z + damping * problem.f(z)
    value = weight_gradient(problem, mode)
    assert relative_error(value, torch.autograd.grad(z.sin().sum(), problem.weight)[0]) < 1e-10
    assert relative_error(value, problem.gradient(torch.cos(start), start)[0]) > 0.1


@pytest.mark.parametrize(("steps", "damping"), [(1, 0.5), (10, 0.5), (5, 0.8)])
def test_reversible_is_autograd_through_the_finite_iteration(steps, damping):
    problem = DenseProblem.make()
    z0 = torch.randn_like(problem.y).requires_grad_()
    expected = reversible_by_autograd(problem.f, z0, steps, damping)
    value = fixed_point(problem.f, z0, gradient=Reversible(steps, damping))
    torch.testing.assert_close(value, expected, rtol=1e-13, atol=1e-13)
    assert_same_gradients(value, expected, (problem.weight, problem.y, z0))


def test_reversible_counts_each_path_once_and_reaches_the_parameters_of_a_module():
    problem = DenseProblem.make()
    y = problem.y + problem.weight.sum(dim=1)
    network = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.Tanh(), torch.nn.Linear(8, 12)).double()

    def f(z):
        return DenseProblem(problem.weight, y).f(z) + 0.1 * network(z)

    value = fixed_point(f, problem.z0, gradient=Reversible(4))
    expected = reversible_by_autograd(f, problem.z0, 4, 0.5)
    assert_same_gradients(value, expected, (problem.weight, problem.y, *network.parameters()))


def test_reversible_memory_does_not_grow_with_the_steps():
    problem = DenseProblem.make(n=30)
    kept = [
        saved_bytes(lambda mode=mode: fixed_point(problem.f, problem.z0, Picard(), mode))
        for mode in (Reversible(2), Reversible(12), Unrolled(4), Unrolled(24))
    ]
    assert kept[0] == kept[1] < kept[2] < kept[3]


@pytest.mark.parametrize("solver", [Picard(), Anderson(), Broyden(memory=3)], ids=repr)
@pytest.mark.parametrize("mode", [Unrolled(5), Unrolled(5, checkpoint_every=2)], ids=repr)
def test_unrolled_passes_gradcheck_twice_and_is_the_finite_iteration(solver, mode):
    problem = DenseProblem.make(n=4, batch=2)

    def g(weight, y):
        return fixed_point(DenseProblem(weight, y).f, torch.zeros_like(y), solver, mode)

    assert torch.autograd.gradcheck(g, (problem.weight, problem.y), eps=1e-6, atol=1e-7)
    assert torch.autograd.gradgradcheck(g, (problem.weight, problem.y), eps=1e-6, atol=1e-6, fast_mode=True)
    z = problem.z0
    for _ in range(5):
        z = problem.f(z)
    assert torch.allclose(g(problem.weight, problem.y), z, rtol=1e-12) == isinstance(solver, Picard)


@pytest.mark.parametrize("solver", [Picard(), Anderson(), Broyden()], ids=repr)
@pytest.mark.parametrize("every", [1, 4, 12])
def test_checkpoints_change_the_memory_and_not_the_gradient(solver, every):
    problem = DenseProblem.make()
    modes = Unrolled(12), Unrolled(12, checkpoint_every=every)
    plain, checkpointed = (weight_gradient(problem, mode, solver) for mode in modes)
    assert torch.equal(plain, checkpointed)
    big, small = (saved_bytes(lambda m=mode: fixed_point(problem.f, problem.z0, solver, m)) for mode in modes)
    assert small < big / 2
