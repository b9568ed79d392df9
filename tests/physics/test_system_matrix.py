import copy
import pickle

import pytest
import torch
from torch.func import hessian, jacfwd, jacrev, jvp, vjp, vmap

from eiwork.physics import tomography

# PyTorch's own forward mode still uses torch.jit.script.
forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def dense(physics):
    """The matrix of A, column by column, in float64."""
    size = physics.geometry.image_size
    pixels = torch.eye(size * size, dtype=torch.float64).view(-1, 1, size, size)
    return physics.A(pixels).flatten(1).t()


@forward_mode
def test_first_and_second_derivatives():
    physics = tomography(5, 3)
    x, y = randn(2, 1, 5, 5).requires_grad_(), randn(2, 1, 8, 3).requires_grad_()
    for f, v in ((physics.A, x), (physics.A_adjoint, y)):
        assert torch.autograd.gradcheck(f, (v,), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(lambda u, f=f: f(u) ** 3, (v,))


def test_third_derivative():
    physics = tomography(4, 3)
    x = randn(1, 1, 4, 4).requires_grad_()
    value = physics.A(x).pow(3).sum()
    for _ in range(3):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    # d/dx of sum (A x)^3 along ones, thrice: 6 A^T (A 1)^2.
    with torch.no_grad():
        expected = 6 * physics.A_adjoint(physics.A(torch.ones_like(x)) ** 2)
    torch.testing.assert_close(value, expected)


@forward_mode
def test_functorch_transforms():
    physics = tomography(6, 4)
    x, matrix = randn(1, 1, 6, 6), dense(physics)
    y, pullback = vjp(physics.A, x)
    torch.testing.assert_close(pullback(y)[0], physics.A_adjoint(y))
    torch.testing.assert_close(jvp(physics.A, (x,), (x,))[1], y)
    for jacobian in (jacrev, jacfwd):
        torch.testing.assert_close(jacobian(physics.A)(x).view(matrix.shape), matrix)
    many = randn(3, 2, 1, 6, 6)
    torch.testing.assert_close(vmap(physics.A)(many)[1], physics.A(many[1]))
    torch.testing.assert_close(vmap(physics.A, in_dims=1)(many)[1], physics.A(many[:, 1]))
    second = hessian(lambda v: physics.A(v).pow(2).sum())(x).view(36, 36)
    torch.testing.assert_close(second, 2 * matrix.t() @ matrix)


@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace")  # the annotation checker of the tests
def test_compiled_code_gives_the_same():
    physics = tomography(6, 4)
    x = randn(2, 1, 6, 6, dtype=torch.float32)

    def step(v):
        return v - physics.A_adjoint(physics.A(v))

    torch.testing.assert_close(torch.compile(step, backend="eager")(x), step(x))


def test_one_geometry_is_built_once_also_for_copies():
    physics = tomography(16, 5)
    assert tomography(16, 5, noise_sigma=0.1).matrix is physics.matrix
    assert tomography(16, 6).matrix is not physics.matrix
    for twin in (physics.clone(), copy.deepcopy(physics)):
        assert twin.matrix is physics.matrix
    assert pickle.loads(pickle.dumps(physics.matrix)) is physics.matrix
