"""Matrix-free products with the Jacobian equal those of the dense one."""

import pytest
import torch
from fields import SIZE, N, Rotated, convex_network, generator, gradient_network, images, network

from eiwork.analysis import dense_jacobian, evaluation_points, jacobian, null_space_projector, range_projector
from eiwork.errors import InputError
from eiwork.models import ADMM, DEQ, GradientStep, ProximalGradient
from eiwork.physics import inpainting, tomography
from eiwork_study.proximal.averaged import GroupAveraged, quarter_turns_and_flips

DENOISERS = {
    "network": network,
    "gradient step": gradient_network,
    "convex potential": convex_network,
    "averaged": lambda: GroupAveraged(network(), quarter_turns_and_flips()),
    "rotated": lambda: Rotated(network(), 0.3),
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


@pytest.mark.parametrize("name", DENOISERS)
def test_products_equal_the_dense_jacobian(name):
    denoiser, x = DENOISERS[name](), images(2)
    dense = dense_jacobian(denoiser, x)
    j, v = jacobian(denoiser, x), torch.randn_like(x)
    forward = (dense @ v.flatten(1)[:, :, None]).view_as(x)
    backward = (dense.mT @ v.flatten(1)[:, :, None]).view_as(x)
    torch.testing.assert_close(j.apply(v), forward, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(j.transpose(v), backward, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(j.symmetric(v), (forward + backward) / 2, rtol=1e-10, atol=1e-12)
    assert not j.apply(v).requires_grad
    assert not j.transpose(v).requires_grad


def test_a_small_learnt_part_is_not_lost_beside_the_identity():
    # A forward derivative by torch.func.linearize is wrong here by as much as the learnt part.
    denoiser, x = gradient_network(strength=0.1).float(), images(2).float()
    j, v = jacobian(denoiser, x), torch.randn_like(images(2)).float()
    torch.testing.assert_close(j.apply(v), j.transpose(v), rtol=0, atol=1e-6)
    assert float((j.apply(v) - 0.9 * v).norm()) > 1e-4


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


def test_points_are_what_the_denoiser_is_given():
    x, physics = images(5), inpainting(SIZE, keep=0.5).double()
    model = DEQ(ProximalGradient(network(1, 20.0), GradientStep(0.7))).double()
    points = evaluation_points(model, x, physics, generator())
    assert set(points) == {"clean", "iterate", "fixed point", "noise"}
    assert points["clean"] is x
    y = physics.A(x)
    z = model.iterate.start(y, physics)
    for _ in range(3):
        z = model.iteration(z, y, physics)
    expected = z - 0.7 * physics.A_adjoint(physics.A(z) - y)
    torch.testing.assert_close(points["iterate"], expected.detach())
    fixed = model.solve(y, physics).value
    torch.testing.assert_close(model.iterate.denoiser(points["fixed point"]).detach(), fixed, rtol=0, atol=1e-2)
    assert float(points["noise"].std()) == pytest.approx(float(x.std()), rel=0.1)
    assert not model.iterate.denoiser._forward_pre_hooks
    other = DEQ(ADMM(network(1, 20.0))).double()
    assert evaluation_points(other, x, physics, generator())["fixed point"].shape == x.shape


def test_what_has_no_square_jacobian_is_refused():
    for denoiser, told in ((lambda x: x[:, :, ::2], "same shape"), (lambda x: x.detach(), "no gradient")):
        with pytest.raises(InputError, match=told):
            jacobian(denoiser, images())
    model = DEQ(ProximalGradient(network()))
    del model.iterate.denoiser
    with pytest.raises(InputError, match="no denoiser"):
        evaluation_points(model, images(), inpainting(SIZE, keep=0.5).double(), generator())
