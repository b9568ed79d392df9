"""Fixed points inside losses, inside each other, and differentiated twice: always the dense or unrolled answer."""

import pytest
import torch
from problems import EXACT, TIGHT, DenseProblem, relative_error

from eiwork.errors import InputError
from eiwork.fixed_point import Implicit, Picard, fixed_point

# f contracts by 0.5 or so: after 50 iterations nothing changes to 1e-12, and autograd differentiates them all.
UNROLLED_STEPS = 50


def solve(f, z0):
    return fixed_point(f, z0, TIGHT, EXACT)


def unroll(f, z0):
    z = z0
    for _ in range(UNROLLED_STEPS):
        z = f(z)
    return z


def make(norm=0.5, n=4, batch=2):
    return DenseProblem.make(n=n, batch=batch, norm=norm)


def one_call(solver, weight, y):
    return solver(DenseProblem(weight, y).f, torch.zeros_like(y))


def two_calls(solver, weight, y):
    x1 = one_call(solver, weight, y)
    turned = x1.roll(1, dims=1)
    x2 = one_call(solver, weight, 0.5 * turned.sin())
    return x2 - turned


def three_calls(solver, weight, y):
    return one_call(solver, 0.9 * weight, two_calls(solver, weight, y))


def nested(solver, weight, y):
    def outer(z):
        inner = solver(lambda u: torch.tanh(u @ weight.T) + 0.5 * z + y, torch.zeros_like(y))
        return 0.4 * torch.cos(inner + y)

    return solver(outer, torch.zeros_like(y))


def dependent(solver, weight, y):
    """Two closed-over tensors of which one is computed from the other."""
    other = 0.3 * weight * weight
    return solver(lambda z: torch.tanh(0.6 * z @ weight.T + z @ other) + y + other.sum(), torch.zeros_like(y))


def tuple_state(solver, weight, y):
    def f(z):
        a, b = z
        return 0.5 * torch.tanh(b @ weight.T) + y, 0.5 * torch.sin(a) + 0.2 * b

    if solver is unroll:
        z = (torch.zeros_like(y), torch.zeros_like(y))
        for _ in range(UNROLLED_STEPS):
            z = f(z)
    else:
        z = solver(f, (torch.zeros_like(y), torch.zeros_like(y)))
    return z[0] * z[1]


COMPOSITIONS = [one_call, two_calls, three_calls, nested, dependent, tuple_state]


@pytest.mark.parametrize("compose", COMPOSITIONS)
def test_first_and_second_derivatives_equal_unrolling_to_the_end(compose):
    problem = make()
    direction = torch.randn_like(problem.weight)
    derivatives = []
    for s in (solve, unroll):
        loss = compose(s, problem.weight, problem.y).sin().sum()
        first = torch.autograd.grad(loss, (problem.weight, problem.y), create_graph=True)
        second = torch.autograd.grad((first[0] * direction).sum(), (problem.weight, problem.y))
        derivatives.append((*first, *second))
    for value, reference in zip(*derivatives, strict=True):
        assert relative_error(value, reference) < 1e-9


@pytest.mark.parametrize("compose", COMPOSITIONS)
def test_gradcheck_and_gradgradcheck(compose):
    problem = make(norm=0.7, n=2)
    inputs = (problem.weight, problem.y)
    assert torch.autograd.gradcheck(lambda w, y: compose(solve, w, y), inputs, eps=1e-6, atol=1e-7)
    assert torch.autograd.gradgradcheck(lambda w, y: compose(solve, w, y), inputs, eps=1e-6, atol=1e-6, fast_mode=True)


def test_third_derivatives():
    problem = make(n=2)

    def gradient(weight, y):
        loss = one_call(solve, weight, y).pow(3).sum()
        return torch.autograd.grad(loss, weight, create_graph=True)[0]

    assert torch.autograd.gradgradcheck(gradient, (problem.weight, problem.y), eps=1e-6, atol=1e-5, fast_mode=True)


def test_complex_states_differentiate_twice():
    weight = (0.3 * torch.randn(2, 2, dtype=torch.complex128)).requires_grad_()
    y = torch.randn(2, 2, dtype=torch.complex128, requires_grad=True)

    def g(weight, y):
        return solve(lambda z: 0.3 * torch.tanh(z @ weight) + y, torch.zeros_like(y))

    assert torch.autograd.gradcheck(g, (weight, y), eps=1e-6, atol=1e-7, fast_mode=True)
    assert torch.autograd.gradgradcheck(g, (weight, y), eps=1e-6, atol=1e-6, fast_mode=True)


def test_a_backward_pass_can_be_repeated_and_followed_by_a_second_order_one():
    problem = make()
    z = one_call(solve, problem.weight, problem.y)
    loss = z.square().sum()
    first = torch.autograd.grad(loss, problem.weight, retain_graph=True)[0]
    second = torch.autograd.grad(loss, problem.weight, create_graph=True)[0]
    assert torch.equal(first, second)
    assert second.requires_grad
    assert not first.requires_grad
    loss.backward()
    assert torch.equal(problem.weight.grad, first)
    # dL/dW of s L is linear in s: its derivative with respect to s is dL/dW itself.
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    loss = scale * one_call(solve, problem.weight, problem.y).square().sum()
    gradient = torch.autograd.grad(loss, problem.weight, create_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(gradient.sum(), scale)[0], first.sum())


class Doubled(torch.autograd.Function):
    """2 x, by a function that autograd knows but nobody can look into."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def test_a_tensor_out_of_sight_is_right_once_and_refused_twice():
    problem = make()

    def f(z):
        return 0.4 * torch.sin(z) + Doubled.apply(problem.y)

    z = solve(f, torch.zeros_like(problem.y))
    exact = torch.autograd.grad(unroll(f, torch.zeros_like(problem.y)).sum(), problem.y)[0]
    assert relative_error(torch.autograd.grad(z.sum(), problem.y, retain_graph=True)[0], exact) < 1e-10
    with pytest.raises(InputError, match="cannot be differentiated twice"):
        torch.autograd.grad(z.sum(), problem.y, create_graph=True)


@pytest.mark.parametrize("solver", [Picard(tol=1e-14, max_iter=2000), TIGHT], ids=repr)
def test_second_derivatives_do_not_depend_on_the_adjoint_solver(solver):
    problem = make(n=2)

    def g(weight, y):
        return fixed_point(DenseProblem(weight, y).f, torch.zeros_like(y), TIGHT, Implicit(solver))

    assert torch.autograd.gradgradcheck(g, (problem.weight, problem.y), eps=1e-6, atol=1e-6)
