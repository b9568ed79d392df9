"""The proximal map of the data term against its dense solution, with its derivatives."""

import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import inpainting, mri, tomography

SIZE = 8
OPERATORS = {
    "ct": lambda size=SIZE: tomography(size, 4).double(),
    "mri": lambda size=SIZE: mri(size, acceleration=2, center_fraction=0.25).double(),
    "coils": lambda size=SIZE: mri(size, acceleration=2, center_fraction=0.25, n_coils=2).double(),
    "inpainting": lambda size=SIZE: inpainting(size, keep=0.5).double(),
}
forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


def problem(kind, size=SIZE, batch=2):
    physics = OPERATORS[kind](size)
    channels = 2 if "mri" in kind or kind == "coils" else 1
    z, x = torch.randn(2, batch, channels, size, size, dtype=torch.float64)
    return physics, z, physics.A(x)


def dense(physics, channels, size):
    n = channels * size * size
    return physics.A(torch.eye(n, dtype=torch.float64).view(n, channels, size, size)).flatten(1).T


@pytest.mark.parametrize("gamma", [0.3, 20.0])
@pytest.mark.parametrize("kind", OPERATORS)
def test_it_is_the_minimiser(kind, gamma):
    physics, z, y = problem(kind)
    a = dense(physics, z.shape[1], SIZE)
    eye = torch.eye(a.shape[1], dtype=torch.float64)
    expected = torch.linalg.solve(gamma * a.T @ a + eye, gamma * a.T @ y.flatten(1).T + z.flatten(1).T).T
    for value in (gamma, torch.tensor(gamma, dtype=torch.float64)):
        x = physics.prox_l2(z, y, value)
        torch.testing.assert_close(x.flatten(1), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(physics.prox_l2(None, y, gamma), physics.prox_l2(0 * z, y, gamma))
    torch.testing.assert_close(physics.prox_l2(2, y, gamma), physics.prox_l2(0 * z + 2, y, gamma))
    single = physics.float().prox_l2(z.float(), y.float(), gamma)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double().flatten(1), expected, rtol=1e-4, atol=1e-4)


@forward_mode
@pytest.mark.parametrize("kind", OPERATORS)
def test_it_is_differentiable_to_second_order_in_everything(kind):
    physics, z, y = problem(kind, size=4, batch=1)
    inputs = (
        z.requires_grad_(),
        y.requires_grad_(),
        torch.tensor(3.0, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(physics.prox_l2, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(physics.prox_l2, inputs, fast_mode=True)


@forward_mode
@pytest.mark.parametrize("kind", OPERATORS)
def test_transforms_of_torch_func_give_the_dense_jacobian(kind):
    physics, z, y = problem(kind, size=4, batch=1)
    a = dense(physics, z.shape[1], 4)
    expected = torch.linalg.inv(3.0 * a.T @ a + torch.eye(a.shape[1], dtype=torch.float64))
    for transform in (torch.func.jacrev, torch.func.jacfwd):
        jacobian = transform(lambda z: physics.prox_l2(z, y, 3.0))(z)
        torch.testing.assert_close(jacobian.reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", OPERATORS)
def test_one_gamma_per_sample_is_left_to_deepinv(kind):
    physics, z, y = problem(kind)
    several = physics.prox_l2(z, y, torch.tensor([0.5, 5.0], dtype=torch.float64).view(2, 1, 1, 1), tol=1e-10)
    for i, gamma in enumerate((0.5, 5.0)):
        one = physics.prox_l2(z[i : i + 1], y[i : i + 1], gamma)
        torch.testing.assert_close(several[i : i + 1], one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gamma", [0.0, -1.0, float("nan"), torch.tensor(-2.0)])
@pytest.mark.parametrize("kind", OPERATORS)
def test_a_useless_gamma_is_refused(kind, gamma):
    physics, z, y = problem(kind)
    with pytest.raises(InputError, match="gamma"):
        physics.prox_l2(z, y, gamma)


@pytest.mark.parametrize("kind", OPERATORS)
def test_images_and_measurements_are_checked(kind):
    physics, z, y = problem(kind)
    with pytest.raises(InputError, match="x has shape"):
        physics.prox_l2(z[:, :, :-1], y, 1.0)
    with pytest.raises(InputError, match="y has shape"):
        physics.prox_l2(None, y[..., :-1], 1.0)


def test_a_new_mask_counts():
    physics, z, y = problem("mri")
    ones = torch.ones(SIZE, SIZE, dtype=torch.float64)
    x = physics.prox_l2(z, y, 1.0, mask=ones)
    torch.testing.assert_close(x, (z + physics.V(y)) / 2)
    pixels, z, y = problem("inpainting")
    full = torch.ones(1, 1, SIZE, SIZE, dtype=torch.float64)
    torch.testing.assert_close(pixels.prox_l2(z, y, 1.0, mask=full), (z + y) / 2)


def test_learnt_coil_maps_are_refused():
    physics, z, y = problem("coils")
    physics.coil_maps.requires_grad_()
    with pytest.raises(InputError, match="as constants"):
        physics.prox_l2(z, y, 1.0)
