"""Exact adjoints of every transform, by the definition and by dense matrices."""

import pytest
import torch

from eiwork.errors import InputError
from eiwork.symmetry import Reflection, Rotation, Shift
from eiwork.symmetry.rotation import INTERPOLATIONS

TRANSFORMS = {
    **{name: Rotation(name) for name in INTERPOLATIONS},
    "30": Rotation("fourier", multiples_of=30),
    "90": Rotation(multiples_of=90),
    "shift": Shift(),
    "reflection": Reflection(),
    "product": Rotation("bilinear") * Reflection() * Shift(),
}


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", [(9, 9), (8, 8), (8, 12)])
def test_the_adjoint_satisfies_its_definition(name, size):
    transform = TRANSFORMS[name]
    x, w = draw(4, 2, *size), draw(4, 2, *size, seed=1)
    params = transform.get_params(x)
    left = (transform(x, **params) * w).flatten(1).sum(dim=1)
    right = (x * transform.adjoint(w, **params)).flatten(1).sum(dim=1)
    torch.testing.assert_close(left, right, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", ["fourier", "bilinear"])
def test_it_is_the_transposed_matrix(name):
    rotation, theta = Rotation(name), torch.tensor([37.0], dtype=torch.float64)
    eye = torch.eye(36, dtype=torch.float64).view(36, 1, 6, 6)
    matrix = rotation(eye, theta=theta).view(36, 36).T
    torch.testing.assert_close(rotation.adjoint(eye, theta=theta).view(36, 36).T, matrix.T)


@pytest.mark.parametrize("name", ["fourier", "90", "shift", "reflection"])
@pytest.mark.parametrize("side", [8, 9])
def test_orthogonal_transforms_have_their_inverse_for_an_adjoint(name, side):
    transform, x = TRANSFORMS[name], draw(6, 1, side, side)
    params = transform.get_params(x)
    torch.testing.assert_close(transform.adjoint(x, **params), transform.inverse(x, **params))


def test_versions_are_summed():
    shift = Shift(n_trans=3, rng=torch.Generator().manual_seed(0))
    x, w = draw(2, 1, 5, 5), draw(6, 1, 5, 5, seed=1)
    params = shift.get_params(x)
    pulled = shift.adjoint(w, **params)
    assert pulled.shape == x.shape
    torch.testing.assert_close((shift(x, **params) * w).sum(), (x * pulled).sum())
    chain = Reflection(n_trans=2) * Shift(n_trans=3)
    params, w = chain.get_params(x), draw(12, 1, 5, 5, seed=2)
    torch.testing.assert_close((chain(x, **params) * w).sum(), (x * chain.adjoint(w, **params)).sum())


def test_the_adjoint_is_differentiable_and_its_transpose_is_the_transform():
    rotation, theta = Rotation("bilinear"), torch.tensor([[21.0, -50.0]], dtype=torch.float64)
    w = draw(2, 1, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: rotation.adjoint(u, theta=theta), (w,))
    g = draw(2, 1, 5, 5, seed=3)
    (pulled,) = torch.autograd.grad(rotation.adjoint(w, theta=theta), w, g)
    torch.testing.assert_close(pulled, rotation(g, theta=theta))


def test_an_adjoint_without_parameters_is_refused():
    with pytest.raises(InputError, match="needs the parameters of the transform"):
        Rotation().adjoint(draw(1, 1, 4, 4))
    with pytest.raises(InputError, match="takes 2 stacked batches, but x holds 3"):
        Shift().adjoint(draw(3, 1, 4, 4), y_shift=torch.zeros(2, 1), x_shift=torch.zeros(2, 1))
