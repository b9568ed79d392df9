"""torch.func over a fixed point: vjp, jvp, jacrev, jacfwd, hessian, vmap, functional_call against dense answers."""

import pytest
import torch
from problems import DenseProblem, relative_error
from torch import func, nn

from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit, fixed_point

TIGHT = Anderson(tol=1e-14, max_iter=500)
EXACT = Implicit(GMRES(tol=1e-14))


def solve(weight, y):
    return fixed_point(DenseProblem(weight, y).f, torch.zeros_like(y), TIGHT, EXACT)


@pytest.fixture
def dense():
    """Weight, y, the fixed point and dz/dy = (I - J)^{-1} of each sample."""
    problem = DenseProblem.make(n=5, batch=2)
    z = problem.solution()
    inverse = torch.linalg.inv(torch.eye(5, dtype=z.dtype) - problem.jacobian(z))
    return problem.weight.detach(), problem.y.detach(), z, inverse, problem


def test_vjp_equals_the_dense_adjoint(dense):
    weight, y, z, _, problem = dense
    v = torch.randn_like(z)
    value, pull = func.vjp(solve, weight, y)
    assert relative_error(value, z) < 1e-12
    for found, exact in zip(pull(v), problem.gradient(v, z), strict=True):
        assert relative_error(found, exact) < 1e-12


def test_jvp_equals_the_dense_tangent(dense):
    weight, y, z, inverse, _ = dense
    v = torch.randn_like(z)
    _, tangent = func.jvp(lambda y: solve(weight, y), (y,), (v,))
    assert relative_error(tangent, torch.einsum("bij,bj->bi", inverse, v)) < 1e-12


@pytest.mark.parametrize("jacobian", [func.jacrev, func.jacfwd])
def test_jacobians_are_the_dense_inverse(dense, jacobian):
    weight, y, _, inverse, _ = dense
    found = jacobian(solve, argnums=1)(weight, y)
    for sample in range(2):
        assert relative_error(found[sample, :, sample], inverse[sample]) < 1e-12
        assert float(found[sample, :, 1 - sample].abs().max()) == 0.0


SECOND = {
    "hessian": func.hessian,
    "reverse over reverse": lambda f: func.jacrev(func.jacrev(f)),
    "forward over forward": lambda f: func.jacfwd(func.jacfwd(f)),
    "reverse over forward": lambda f: func.jacrev(func.jacfwd(f)),
}


@pytest.mark.parametrize("hessian", SECOND.values(), ids=SECOND.keys())
def test_second_derivatives_equal_double_backward(dense, hessian):
    weight, y, *_ = dense

    def loss(y):
        return solve(weight, y).pow(3).sum()

    assert relative_error(hessian(loss)(y), torch.autograd.functional.hessian(loss, y)) < 1e-10


def test_vmap_is_a_loop(dense):
    weight, y, *_ = dense
    several = torch.stack([y, 2 * y, -y])
    loop = torch.stack([solve(weight, part) for part in several])
    assert relative_error(func.vmap(lambda y: solve(weight, y))(several), loop) < 1e-12
    weights = torch.stack([weight, 0.5 * weight])
    loop = torch.stack([solve(part, y) for part in weights])
    assert relative_error(func.vmap(solve, in_dims=(0, None))(weights, y), loop) < 1e-12


def test_gradients_of_each_sample(dense):
    weight, y, *_ = dense

    def loss(weight, y):
        return solve(weight, y[None]).square().sum()

    found = func.vmap(func.grad(loss), in_dims=(None, 0))(weight, y)
    loop = torch.stack([func.grad(loss)(weight, part) for part in y])
    assert relative_error(found, loop) < 1e-12
    assert relative_error(found[0], found[1]) > 1e-3


def test_tuple_and_complex_states(dense):
    _, y, *_ = dense
    c = torch.complex(y, y.flip(0))

    def g(y):
        def f(z):
            a, b = z
            return 0.4 * torch.tanh(a) + 0.1 * b.real + y, 0.3 * b + 0.2j * a + c

        return fixed_point(f, (torch.zeros_like(y), torch.zeros_like(c)), TIGHT, EXACT)

    v = (torch.randn_like(y), torch.randn_like(c))
    values, pull = func.vjp(g, y)
    leaf = y.clone().requires_grad_()
    plain = g(leaf)
    exact = torch.autograd.grad(plain, leaf, v)[0]
    assert relative_error(pull(v)[0], exact) < 1e-12
    assert all(
        relative_error(torch.view_as_real(a + 0j), torch.view_as_real(b + 0j)) < 1e-12
        for a, b in zip(values, plain, strict=True)
    )


class Equilibrium(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 5).double()
        self.linear.weight.data.mul_(0.8)

    def forward(self, y):
        return fixed_point(lambda z: torch.tanh(self.linear(z)) + y, torch.zeros_like(y), TIGHT, EXACT)


def test_functional_call_means_the_given_parameters_also_in_the_backward_pass(dense):
    _, y, *_ = dense
    model = Equilibrium()
    given = {name: 0.7 * value.detach() for name, value in model.named_parameters()}

    def loss(parameters):
        return func.functional_call(model, parameters, (y,)).square().sum()

    found = func.grad(loss)(given)
    leaves = {name: value.clone().requires_grad_() for name, value in given.items()}
    exact = torch.autograd.grad(loss(leaves), list(leaves.values()))
    for value, reference in zip(found.values(), exact, strict=True):
        assert relative_error(value, reference) < 1e-12


GLOBAL_LINEAR = nn.Linear(5, 5).double()


def test_swapped_global_modules_are_refused_not_silently_wrong(dense):
    _, y, *_ = dense
    given = {name: 0.5 * value.detach() for name, value in GLOBAL_LINEAR.named_parameters()}

    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = GLOBAL_LINEAR

        def forward(self, y):
            def f(z):
                return 0.5 * torch.tanh(GLOBAL_LINEAR(z)) + y

            return fixed_point(f, torch.zeros_like(y), TIGHT, EXACT)

    model = Hidden()
    with pytest.raises(InputError, match="close over the module"):
        func.grad(lambda p: func.functional_call(model, {f"linear.{k}": v for k, v in p.items()}, (y,)).sum())(given)


def test_gradients_also_flow_to_parameters_outside_the_transform(dense):
    _, y, z, _, problem = dense
    v = torch.randn_like(z)
    _, tangent = func.jvp(lambda y: solve(problem.weight, y), (y,), (v,))
    found = torch.autograd.grad(tangent.sum(), problem.weight)[0]
    leaf = y.clone().requires_grad_()
    gradient = torch.autograd.grad(solve(problem.weight, leaf).sum(), leaf, create_graph=True)[0]
    exact = torch.autograd.grad((gradient * v).sum(), problem.weight)[0]
    assert relative_error(found, exact) < 1e-10


def test_an_operation_that_cannot_be_mapped_says_what_to_call_instead(dense):
    _, y, *_ = dense

    def solve_sorted(y):
        def f(z):
            return 0.5 * torch.tanh(z.moveaxis(1, 0).moveaxis(0, 1)) + y

        return fixed_point(f, torch.zeros_like(y), TIGHT, EXACT)

    with pytest.raises(InputError, match="Fold the mapped axis into the batch"):
        func.vmap(solve_sorted)(torch.stack([y, -y]))
