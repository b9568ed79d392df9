"""Rotations by three shears: to the truth, exact inverses, every angle."""

import math

import pytest
import torch

from eiwork.errors import InputError
from eiwork.symmetry import Rotation

ANGLES = (-180.0, -179.0, -135.0, -90.0, -60.5, -45.0, -1.0, 0.0, 30.0, 45.0, 89.0, 90.0, 91.0, 135.0, 180.0)


def images(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def picture(degrees, size=64):
    """Four waves under a smooth window, turned counter-clockwise as functions and then sampled."""
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    c, r = place[None, :], place[:, None]
    a = math.radians(degrees)
    u, v = c * math.cos(a) - r * math.sin(a), c * math.sin(a) + r * math.cos(a)
    window = (1 + torch.cos(math.pi * (torch.hypot(c, r) / (0.4 * size)).clamp(max=1))) / 2
    waves = [(0.03, 0.08, 0.2), (0.21, 0.0, 1.0), (-0.1, 0.17, 2.0), (0.0, -0.22, 0.5)]
    total = sum(torch.cos(2 * math.pi * (fu * u + fv * v) + phase) for fu, fv, phase in waves)
    return (window * total)[None, None]


@pytest.mark.parametrize(("interpolation", "limit"), [("fourier", 1e-3), ("shear", 2e-2), ("spline", 1e-2)])
@pytest.mark.parametrize("degrees", [-170.0, -100.0, -46.0, -44.0, 10.0, 45.0, 80.0, 123.0])
def test_it_agrees_with_the_rotated_function(interpolation, limit, degrees):
    x = picture(0.0)
    turned = Rotation(interpolation)(x, theta=torch.tensor([degrees]))
    error = (turned - picture(degrees)).norm() / x.norm()
    assert error < limit


@pytest.mark.parametrize("side", [16, 17])
def test_fourier_rotations_are_orthogonal_at_every_angle_and_for_every_image(side):
    x = images(len(ANGLES), 2, side, side)
    theta = torch.tensor([ANGLES], dtype=torch.float64)
    rotation = Rotation("fourier")
    turned = rotation(x, theta=theta)
    torch.testing.assert_close(turned.flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))
    torch.testing.assert_close(rotation.inverse(turned, theta=theta), x)


@pytest.mark.parametrize("interpolation", ["shear", "fourier"])
@pytest.mark.parametrize("size", [(12, 12), (11, 11), (8, 12), (12, 8)])
def test_multiples_of_ninety_are_exact_and_their_inverses_too(interpolation, size):
    x = images(5, 1, *size)
    theta = torch.tensor([[0.0, 90.0, 180.0, 270.0, -90.0]], dtype=torch.float64)
    rotation = Rotation(interpolation)
    turned = rotation(x, theta=theta)
    for k in (0, 2):
        torch.testing.assert_close(turned[k], x[k].rot90(k, (-2, -1)))
    if size[0] == size[1]:
        for k, turns in enumerate((0, 1, 2, 3, -1)):
            assert torch.equal(turned[k], x[k].rot90(turns, (-2, -1)))
        assert torch.equal(rotation.inverse(turned, theta=theta), x)


@pytest.mark.parametrize("interpolation", ["shear", "fourier"])
def test_half_way_between_quarter_turns_nothing_jumps(interpolation):
    x, rotation = picture(0.0), Rotation(interpolation)
    for degrees in (45.0, 135.0, -45.0):
        sides = [rotation(x, theta=torch.tensor([degrees + d], dtype=torch.float64)) for d in (-1e-6, 1e-6)]
        torch.testing.assert_close(*sides, rtol=0, atol=0.05)


def test_the_spline_shears_leave_zeros_outside_and_the_fourier_shears_wrap_around():
    ones = torch.ones(1, 1, 32, 32, dtype=torch.float64)
    theta = torch.tensor([45.0])
    assert abs(float(Rotation("shear")(ones, theta=theta)[0, 0, 0, 0])) < 1e-5
    torch.testing.assert_close(Rotation("fourier")(ones, theta=theta), ones)


def test_images_that_are_not_square_turn_on_a_square_canvas():
    wide = images(1, 1, 10, 16)
    square = torch.nn.functional.pad(wide, (0, 0, 3, 3))
    theta = torch.tensor([33.0], dtype=torch.float64)
    for interpolation in ("shear", "fourier"):
        rotation = Rotation(interpolation)
        torch.testing.assert_close(rotation(wide, theta=theta), rotation(square, theta=theta)[..., 3:13, :])
    with pytest.raises(InputError, match="both sides are even or both odd"):
        Rotation("shear")(images(1, 1, 10, 15), theta=theta)


@pytest.mark.parametrize("interpolation", ["shear", "fourier"])
def test_it_is_differentiable(interpolation):
    rotation, theta = Rotation(interpolation), torch.tensor([[20.0, -70.0]], dtype=torch.float64)
    x = images(2, 1, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: rotation(u, theta=theta), (x,))


def test_single_precision_stays_single():
    turned = Rotation("fourier")(images(1, 1, 8, 8).float(), theta=torch.tensor([20.0]))
    assert turned.dtype == torch.float32
