"""Fixed points inside losses, inside each other, differentiated twice, and of modules with parametrised weights."""

import functools

import pytest
import torch
from problems import EXACT, TIGHT, DenseProblem, Opaque, relative_error
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from eiwork.errors import InputError
from eiwork.fixed_point import Implicit, JacobianFree, Unrolled, fixed_point, solve_fixed_point
from eiwork.fixed_point.calling import modules_of


def solve(f, z0):
    return fixed_point(f, z0, TIGHT, EXACT)


def unroll(f, z):
    """f contracts by 0.5 or so: after 50 iterations nothing changes to 1e-12, and autograd differentiates them all."""
    for _ in range(50):
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


def test_a_tensor_out_of_sight_is_right_once_and_refused_twice():
    problem = make()
    two = torch.tensor(2.0, dtype=torch.float64)
    z, unrolled = (s(lambda z: 0.4 * z.sin() + Opaque.apply(problem.y, two), problem.z0) for s in (solve, unroll))
    exact = torch.autograd.grad(unrolled.sum(), problem.y)[0]
    assert relative_error(torch.autograd.grad(z.sum(), problem.y, retain_graph=True)[0], exact) < 1e-10
    with pytest.raises(InputError, match="cannot be differentiated twice"):
        torch.autograd.grad(z.sum(), problem.y, create_graph=True)


# Weights that parametrisations compute: once per solve, the same in every evaluation, with their gradient


class Half(nn.Module):
    """Half of a weight, counting how often it is asked."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, weight):
        self.calls += 1
        return 0.5 * weight


@pytest.fixture
def layer():
    linear = nn.Linear(4, 4).double()
    nn.init.orthogonal_(linear.weight)
    half = Half()
    parametrize.register_parametrization(linear, "weight", half)
    half.calls = 0
    return linear, half, torch.randn(2, 4, dtype=torch.float64)


def equilibrium(linear, y, gradient):
    return fixed_point(lambda z: torch.tanh(linear(z)) + y, torch.zeros_like(y), TIGHT, gradient)


@pytest.mark.parametrize("gradient", [EXACT, JacobianFree(), Unrolled(30)], ids=repr)
def test_once_per_fixed_point(layer, gradient):
    linear, half, y = layer
    equilibrium(linear, y, gradient).sum().backward()
    assert half.calls == 1
    assert linear.parametrizations.weight.original.grad is not None
    for count in (2, 3):  # and anew in each plain solve
        solve_fixed_point(lambda z: torch.tanh(linear(z)) + y, torch.zeros_like(y), TIGHT)
        assert half.calls == count


def test_the_gradient_is_that_of_the_plain_weight(layer):
    linear, _, y = layer
    original = linear.parametrizations.weight.original
    found = torch.autograd.grad(equilibrium(linear, y, EXACT).sum(), original)[0]
    weight = original.detach().clone().requires_grad_()
    bias = linear.bias.detach()
    plain = fixed_point(lambda z: torch.tanh(z @ (0.5 * weight).T + bias) + y, torch.zeros_like(y), TIGHT, EXACT)
    assert relative_error(found, torch.autograd.grad(plain.sum(), weight)[0]) < 1e-10


def test_a_solve_before_the_call_in_one_cache_does_not_cut_the_gradient(layer):
    linear, _, y = layer
    with parametrize.cached():
        solve_fixed_point(lambda z: torch.tanh(linear(z)) + y, torch.zeros_like(y), TIGHT)
        equilibrium(linear, y, Implicit()).sum().backward()
    assert float(linear.parametrizations.weight.original.grad.norm()) > 0


def test_spectral_normalisation_in_training_stays_one_map_during_a_solve():
    layer = parametrizations.spectral_norm(nn.Linear(4, 4).double(), n_power_iterations=1).train()
    y = torch.randn(2, 4, dtype=torch.float64)
    seen = []

    def f(z):
        seen.append(layer.weight.detach().clone())
        return 0.9 * torch.tanh(layer(z)) + y

    fixed_point(f, torch.zeros_like(y), TIGHT, EXACT).sum().backward()
    assert len(seen) > 5
    assert all(torch.equal(weight, seen[0]) for weight in seen)
    assert float(layer.parametrizations.weight.original.grad.norm()) > 0


def test_modules_are_found_where_a_function_holds_them():
    inner, outer = nn.Linear(2, 2), nn.Linear(2, 2)

    def f(z, layer=None):
        return outer(z)

    wrapped = functools.partial(lambda g, z: g(inner(z)), f)
    assert set(modules_of(wrapped)) == {inner, outer}
    assert modules_of(inner) == modules_of(inner.forward) == [inner]
    assert modules_of(torch.tanh) == []
