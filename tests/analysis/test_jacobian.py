"""Matrix-free products with the Jacobian equal those of the dense one."""

import pytest
import torch
from fields import SIZE, N, convex_network, generator, gradient_network, images, network

from eiwork.analysis import RotatedField, dense_jacobian, jacobian, null_space_projector, range_projector
from eiwork.errors import InputError
from eiwork.models import GroupAveraged, quarter_turns_and_flips
from eiwork.physics import inpainting, tomography

DENOISERS = {
    "network": network,
    "gradient step": gradient_network,
    "convex potential": convex_network,
    "averaged": lambda: GroupAveraged(network(), quarter_turns_and_flips()),
    "rotated": lambda: RotatedField(network(), 0.3, (1, SIZE, SIZE), generator()),
    "no forward derivative": lambda: NoForward.apply,
    "affine": lambda: lambda x: 0.5 * x.flip(-1) + 1,
}


class NoForward(torch.autograd.Function):
    """x^3 / 3 with derivatives in reverse mode alone."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3 / 3

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0] ** 2


def after(n_products, j):
    """A Jacobian that will think about linearising after as many products."""
    j.apply.n_left = n_products * j.x.numel()
    return j


FIRST_AND_LATER = pytest.mark.parametrize("n_products", [9, 0], ids=["first products", "later ones"])


@FIRST_AND_LATER
@pytest.mark.parametrize("name", DENOISERS)
def test_products_equal_the_dense_jacobian(name, n_products):
    denoiser, x = DENOISERS[name](), images(2)
    dense = dense_jacobian(denoiser, x)
    j, v = after(n_products, jacobian(denoiser, x)), torch.randn_like(x)
    forward = (dense @ v.flatten(1)[:, :, None]).view_as(x)
    backward = (dense.mT @ v.flatten(1)[:, :, None]).view_as(x)
    torch.testing.assert_close(j.apply(v), forward, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(j.transpose(v), backward, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(j.symmetric(v), (forward + backward) / 2, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(j.antisymmetric(v), (forward - backward) / 2, rtol=1e-10, atol=1e-12)


def test_many_products_are_linearised_once(monkeypatch):
    seen, linearize = [], torch.func.linearize
    monkeypatch.setattr(torch.func, "linearize", lambda f, x: seen.append(x) or linearize(f, x))
    x = images(2)
    j = after(3, jacobian(network(), x))
    products = [j.apply(x) for _ in range(3)]
    assert seen == []
    products += [j.apply(x) for _ in range(2)]
    assert len(seen) == 1
    assert torch.equal(products[0], products[2])
    torch.testing.assert_close(products[0], products[4], rtol=1e-12, atol=1e-14)


@FIRST_AND_LATER
def test_a_small_learnt_part_is_not_lost_beside_the_identity(n_products):
    # torch.func.linearize is wrong for gradients inside D, by as much as the learnt part: here 1e-4 of the product.
    denoiser, x = gradient_network(strength=0.1).float(), images(2).float()
    j, v = after(n_products, jacobian(denoiser, x)), torch.randn_like(images(2)).float()
    torch.testing.assert_close(j.apply(v), j.transpose(v), rtol=0, atol=1e-6)
    assert float((j.apply(v) - 0.9 * v).norm()) > 1e-4


@FIRST_AND_LATER
def test_products_carry_no_graph(n_products):
    j, v = after(n_products, jacobian(network(), images(2))), images(2)
    assert not j.apply(v).requires_grad
    assert not j.transpose(v).requires_grad


@pytest.mark.parametrize("make", [lambda: tomography(SIZE, 4), lambda: inpainting(SIZE, keep=0.3)])
def test_projectors_split_the_space(make):
    physics = make().double()
    v = torch.randn(2, 1, SIZE, SIZE, dtype=torch.float64)
    seen, unseen = range_projector(physics)(v), null_space_projector(physics)(v)
    torch.testing.assert_close(seen + unseen, v)
    assert float(physics.A(unseen).norm()) < 1e-3 * float(physics.A(v).norm())
    assert float((seen * unseen).sum().abs()) < 1e-6 * float(v.norm()) ** 2
    assert min(float(seen.norm()), float(unseen.norm())) > 0.1 * float(v.norm())


def test_a_restricted_jacobian_is_the_projected_dense_one():
    physics, denoiser, x = inpainting(SIZE, keep=0.3).double(), network(), images(2)
    project = null_space_projector(physics)
    p = project(torch.eye(N, dtype=torch.float64).view(N, 1, SIZE, SIZE)).flatten(1)
    dense = p @ dense_jacobian(denoiser, x) @ p
    part, v = jacobian(denoiser, x).restricted(project), torch.randn_like(x)
    torch.testing.assert_close(part.apply(v), (dense @ v.flatten(1)[:, :, None]).view_as(x))
    torch.testing.assert_close(part.transpose(v), (dense.mT @ v.flatten(1)[:, :, None]).view_as(x))
    torch.testing.assert_close(part.identity(v), project(v))
    with pytest.raises(InputError, match="already"):
        part.restricted(project)


def test_what_has_no_square_jacobian_is_refused():
    with pytest.raises(InputError, match="same shape"):
        jacobian(lambda x: x[:, :, ::2], images())
    with pytest.raises(InputError, match="no gradient"):
        jacobian(lambda x: x.detach(), images())
