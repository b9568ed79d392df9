"""What all gradient modes share: refusals, repeated backward, several calls, tuples, complex states, errors."""

import inspect

import pytest
import torch
from problems import DenseProblem, relative_error

from eiwork.errors import InputError
from eiwork.fixed_point import (
    SHINE,
    Anderson,
    Broyden,
    Implicit,
    JacobianFree,
    Neumann,
    Phantom,
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


# All modes


@pytest.mark.parametrize("mode", FIRST_ORDER, ids=lambda m: type(m).__name__)
def test_a_first_order_mode_refuses_a_second_derivative(mode):
    problem = DenseProblem.make()
    z = fixed_point(problem.f, problem.z0, BROYDEN, mode)
    with pytest.raises(InputError, match=r"Use gradient=Implicit\(\)"):
        torch.autograd.grad(z.sum(), problem.weight, create_graph=True)


@pytest.mark.parametrize("mode", FIRST_ORDER, ids=lambda m: type(m).__name__)
def test_a_first_order_mode_refuses_transforms(mode):
    problem = DenseProblem.make()

    def g(y):
        return fixed_point(DenseProblem(problem.weight.detach(), y).f, problem.z0, BROYDEN, mode)

    with pytest.raises(InputError, match=r"under torch.func transforms .* use gradient=Implicit\(\)"):
        torch.func.vjp(g, problem.y.detach())


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_no_graph_where_gradients_are_off_and_the_same_value(mode):
    problem = DenseProblem.make()
    with torch.no_grad():
        value = fixed_point(problem.f, problem.z0, BROYDEN, mode)
    assert not value.requires_grad
    # Only Phantom moves on from the solution, by less than the tolerance of the solve.
    tolerance = 1e-10
    torch.testing.assert_close(
        fixed_point(problem.f, problem.z0, BROYDEN, mode).detach(), value, rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_backward_twice_and_a_scaled_loss_give_the_same_gradient(mode):
    problem = DenseProblem.make()
    z = fixed_point(problem.f, problem.z0, BROYDEN, mode)
    first = torch.autograd.grad(z.sin().sum(), problem.weight, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(z.sin().sum(), problem.weight)[0])
    for scale in (1e-30, 1e9):
        scaled = weight_gradient(problem, mode, BROYDEN, scale)
        assert relative_error(scaled / scale, first) < 1e-10


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_two_calls_in_one_graph_add_up(mode):
    a, b = DenseProblem.make(seed=0), DenseProblem.make(seed=1)
    b = DenseProblem(a.weight, b.y)
    together = sum(fixed_point(p.f, p.z0, BROYDEN, mode).sin().sum() for p in (a, b))
    apart = sum(weight_gradient(p, mode, BROYDEN) for p in (a, b))
    assert relative_error(torch.autograd.grad(together, a.weight)[0], apart) < 1e-12


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_tuple_states_have_the_gradient_of_the_joined_state(mode):
    problem = DenseProblem.make()

    def split(z):
        out = problem.f(torch.cat(z, dim=1))
        return out[:, :5], out[:, 5:]

    parts = fixed_point(split, (problem.z0[:, :5], problem.z0[:, 5:]), BROYDEN, mode)
    value = torch.autograd.grad(torch.cat(parts, dim=1).sin().sum(), problem.weight)[0]
    assert relative_error(value, weight_gradient(problem, mode, BROYDEN)) < 1e-10


@pytest.mark.parametrize("mode", MODES, ids=repr)
def test_complex_states_have_the_gradient_of_their_real_form(mode):
    w = 0.2 * torch.randn(4, 4, dtype=torch.complex128)
    real = torch.cat([torch.cat([w.real, -w.imag], 1), torch.cat([w.imag, w.real], 1)])
    y = torch.randn(2, 4, dtype=torch.complex128, requires_grad=True)

    def of(y):
        return fixed_point(lambda z: z @ w.T + y, torch.zeros(2, 4, dtype=torch.complex128), BROYDEN, mode)

    def of_real(y):
        return fixed_point(lambda z: z @ real.T + y, torch.zeros(2, 8, dtype=torch.float64), BROYDEN, mode)

    stacked = torch.cat([y.real, y.imag], 1).detach().requires_grad_()
    z = of_real(stacked)
    expected = torch.autograd.grad(z.square().sum(), stacked)[0]
    value = torch.autograd.grad(of(y).abs().square().sum(), y)[0]
    # The inverse that SHINE shares is learnt from the last, tiny steps, too, and remembers their rounding.
    rtol = 1e-3 if isinstance(mode, SHINE) else 1e-9
    torch.testing.assert_close(torch.cat([value.real, value.imag], 1), expected, rtol=rtol, atol=1e-11)


@pytest.mark.parametrize("norm", [0.75, 0.98])
def test_the_order_of_the_errors(norm):
    problem = DenseProblem.make(n=40, norm=norm)
    z = problem.solution()
    exact = problem.gradient(torch.cos(z), z)[0]
    errors = {
        name: relative_error(weight_gradient(problem, mode, BROYDEN), exact)
        for name, mode in {
            "implicit": Implicit(),
            "neumann": Neumann(5),
            "phantom": Phantom(5, 0.5),
            "shine": SHINE(),
            "free": JacobianFree(),
        }.items()
    }
    assert errors["implicit"] < 1e-5
    assert errors["implicit"] < errors["neumann"] < errors["phantom"] < errors["shine"] < errors["free"] < 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Phantom(0), "at least one step"),
        (lambda: Phantom(damping=0.0), "damping must lie in"),
        (lambda: Neumann(-1), "must not be negative"),
        (lambda: SHINE(0.0), "must be positive"),
        (lambda: Reversible(0), "at least one step"),
        (lambda: Reversible(damping=1.0), "cannot be undone"),
        (lambda: Unrolled(0), "at least one step"),
        (lambda: Unrolled(4, checkpoint_every=5), "1 to `steps` steps"),
        (
            lambda: inspect.unwrap(fixed_point)(lambda z: z, torch.zeros(1, 1), gradient=SHINE),
            "pass an object",
        ),
    ],
)
def test_unusable_settings_are_one_clear_error(make, match):
    with pytest.raises(InputError, match=match):
        make()
