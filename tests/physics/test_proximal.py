"""The data steps of every operator, prox_l2 and whiten, against dense solves, with their derivatives."""

import deepinv
import pytest
import torch
from dense_algebra import dense, forward_mode, randn, solved

from eiwork.errors import InputError
from eiwork.physics import inpainting, mri, radial_mri, tomography
from eiwork.symmetry import Rotation

SIZE = 8
OPERATORS = {
    "ct": lambda size=SIZE: tomography(size, 4).double(),
    "mri": lambda size=SIZE: mri(size, acceleration=2, center_fraction=0.25).double(),
    "coils": lambda size=SIZE: mri(size, acceleration=2, center_fraction=0.25, n_coils=2).double(),
    "inpainting": lambda size=SIZE: inpainting(size, keep=0.5).double(),
    "radial": lambda size=SIZE: radial_mri(size, 4, n_coils=2).double(),
}
operators = pytest.mark.parametrize("kind", OPERATORS)
whitening = pytest.mark.parametrize("kind", ["ct", "coils", "radial"])
# Its inverse knows the normal operator to 1e-9, as a convolution.
EXACT = dict.fromkeys(OPERATORS, 1e-10) | {"radial": 1e-7}


def problem(kind, size=SIZE, batch=2):
    physics = OPERATORS[kind](size)
    z, x = randn(2, batch, *physics.img_size)
    return physics, z, physics.A(x)


@pytest.mark.parametrize("gamma", [0.3, 20.0])
@operators
def test_it_is_the_minimiser(kind, gamma):
    physics, z, y = problem(kind)
    a, tol = dense(physics), EXACT[kind]
    right = gamma * (y.flatten(1) @ a).view_as(z)
    expected = solved(gamma * a.T @ a, 1.0, right + z)
    for value in (gamma, torch.tensor(gamma, dtype=torch.float64)):
        torch.testing.assert_close(physics.prox_l2(z, y, value), expected, rtol=tol, atol=tol)
    torch.testing.assert_close(physics.prox_l2(None, y, gamma), physics.prox_l2(0 * z, y, gamma))
    torch.testing.assert_close(physics.prox_l2(2, y, gamma), physics.prox_l2(0 * z + 2, y, gamma))
    single = physics.float().prox_l2(z.float(), y.float(), gamma)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-4)


@whitening
def test_whitening_is_the_dense_inverse(kind):
    physics, _, y = problem(kind)
    a, r = dense(physics), randn(*y.shape, seed=2)
    white, tol = physics.whiten(r, 0.05), 10 * EXACT[kind]
    torch.testing.assert_close(white, solved(a @ a.T, 0.05, r), rtol=tol, atol=tol)
    torch.testing.assert_close(physics.whiten(r, torch.tensor([0.05], dtype=torch.float64)), white, rtol=tol, atol=tol)
    assert not torch.allclose(physics.whiten(r, 0.5), white)
    single = physics.float().whiten(r.float(), 0.05)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), white, rtol=1e-3, atol=1e-3)
    for useless in (0, -1.0, float("nan"), torch.tensor(-1.0), torch.ones(2)):
        with pytest.raises(InputError, match="regularisation"):
            physics.whiten(r.float(), useless)
    with pytest.raises(InputError, match="has shape"):
        physics.whiten(r[..., :-1].float(), 0.05)


@forward_mode
@operators
def test_the_data_steps_are_differentiable_to_second_order_in_everything(kind):
    physics, z, y = problem(kind, size=2 if kind == "radial" else 4, batch=1)
    gamma = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    steps = [(physics.prox_l2, (z.requires_grad_(), y.requires_grad_(), gamma))]
    if hasattr(physics, "whiten"):
        steps.append((physics.whiten, (y, torch.tensor(0.3, dtype=torch.float64, requires_grad=True))))
    for step, inputs in steps:
        assert torch.autograd.gradcheck(step, inputs, check_forward_ad=kind != "radial")
        assert torch.autograd.gradgradcheck(step, inputs, fast_mode=True)


@forward_mode
@operators
def test_transforms_of_torch_func_give_the_dense_jacobian(kind):
    physics, z, y = problem(kind, size=4, batch=1)
    a, tol = dense(physics), 10 * EXACT[kind]
    expected = torch.linalg.inv(3.0 * a.T @ a + torch.eye(a.shape[1], dtype=torch.float64))
    for transform in (torch.func.jacrev, torch.func.jacfwd):
        jacobian = transform(lambda z: physics.prox_l2(z, y, 3.0))(z)
        torch.testing.assert_close(jacobian.reshape(expected.shape), expected, rtol=tol, atol=tol)


@operators
def test_one_gamma_per_sample_is_left_to_deepinv(kind):
    physics, z, y = problem(kind)
    several = physics.prox_l2(z, y, torch.tensor([0.5, 5.0], dtype=torch.float64).view(2, 1, 1, 1), tol=1e-10)
    for i, gamma in enumerate((0.5, 5.0)):
        one = physics.prox_l2(z[i : i + 1], y[i : i + 1], gamma)
        torch.testing.assert_close(several[i : i + 1], one, rtol=1e-4, atol=1e-4)


@operators
def test_useless_numbers_and_tensors_are_refused(kind):
    physics, z, y = problem(kind)
    for gamma in (0.0, -1.0, float("nan"), torch.tensor(-2.0)):
        with pytest.raises(InputError, match="gamma"):
            physics.prox_l2(z, y, gamma)
    with pytest.raises(InputError, match="x has shape"):
        physics.prox_l2(z[:, :, :-1], y, 1.0)
    with pytest.raises(InputError, match="y has shape"):
        physics.prox_l2(None, y[..., :-1], 1.0)


def test_a_new_mask_counts():
    physics, z, y = problem("mri")
    ones = torch.ones(SIZE, SIZE, dtype=torch.float64)
    torch.testing.assert_close(physics.prox_l2(z, y, 1.0, mask=ones), (z + physics.V(y)) / 2)
    pixels, z, y = problem("inpainting")
    full = torch.ones(1, 1, SIZE, SIZE, dtype=torch.float64)
    torch.testing.assert_close(pixels.prox_l2(z, y, 1.0, mask=full), (z + y) / 2)


def test_learnt_coil_maps_are_refused():
    physics, z, y = problem("coils")
    physics.coil_maps.requires_grad_()
    with pytest.raises(InputError, match="as constants"):
        physics.prox_l2(z, y, 1.0)


@operators
def test_deepinvs_losses_take_the_operator(kind):
    physics = OPERATORS[kind](16).float()
    x = randn(2, *physics.img_size, dtype=torch.float32).requires_grad_()

    def model(y, physics, **kwargs):
        return physics.A_adjoint(y)

    mc = deepinv.loss.MCLoss()(y=physics(x).detach() + 0.1, x_net=x, physics=physics)
    ei = deepinv.loss.EILoss(Rotation(), apply_noise=False)(x_net=x, physics=physics, model=model)
    for loss in (mc, ei):
        (gradient,) = torch.autograd.grad(loss, x, retain_graph=True)
        assert torch.isfinite(gradient).all()
        assert gradient.norm() > 0
