"""Weights that parametrisations compute: once per solve, the same in every evaluation, with their gradient."""

import functools

import pytest
import torch
from problems import EXACT, relative_error
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from eiwork.fixed_point import Anderson, Implicit, JacobianFree, Unrolled, fixed_point, solve_fixed_point
from eiwork.fixed_point.capture import modules_of

TIGHT = Anderson(tol=1e-13, max_iter=500)


class Half(nn.Module):
    """Half of a weight, counting how often it is asked."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, weight):
        self.calls += 1
        return 0.5 * weight


@pytest.fixture
def problem():
    linear = nn.Linear(4, 4).double()
    nn.init.orthogonal_(linear.weight)
    half = Half()
    parametrize.register_parametrization(linear, "weight", half)
    half.calls = 0
    return linear, half, torch.randn(2, 4, dtype=torch.float64)


def equilibrium(linear, y, gradient):
    return fixed_point(lambda z: torch.tanh(linear(z)) + y, torch.zeros_like(y), TIGHT, gradient)


@pytest.mark.parametrize("gradient", [EXACT, JacobianFree(), Unrolled(30)], ids=repr)
def test_once_per_fixed_point(problem, gradient):
    linear, half, y = problem
    equilibrium(linear, y, gradient).sum().backward()
    assert half.calls == 1
    assert linear.parametrizations.weight.original.grad is not None
    for count in (2, 3):  # and anew in each plain solve
        solve_fixed_point(lambda z: torch.tanh(linear(z)) + y, torch.zeros_like(y), TIGHT)
        assert half.calls == count


def test_the_gradient_is_that_of_the_plain_weight(problem):
    linear, _, y = problem
    original = linear.parametrizations.weight.original
    found = torch.autograd.grad(equilibrium(linear, y, EXACT).sum(), original)[0]
    weight = original.detach().clone().requires_grad_()
    bias = linear.bias.detach()
    plain = fixed_point(lambda z: torch.tanh(z @ (0.5 * weight).T + bias) + y, torch.zeros_like(y), TIGHT, EXACT)
    assert relative_error(found, torch.autograd.grad(plain.sum(), weight)[0]) < 1e-10


def test_a_solve_before_the_call_in_one_cache_does_not_cut_the_gradient(problem):
    linear, _, y = problem
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
