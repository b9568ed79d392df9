"""Rotations: to the truth, exact inverses, every angle."""

import math

import pytest
import torch

from eiwork.errors import InputError
from eiwork.symmetry import Rotation

ANGLES = (-180.0, -179.0, -135.0, -90.0, -60.5, -45.0, -1.0, 0.0, 30.0, 45.0, 89.0, 90.0, 91.0, 135.0, 180.0)
interpolations = pytest.mark.parametrize("interpolation", ["fourier", "bilinear"])


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


@pytest.mark.parametrize(("interpolation", "limit"), [("fourier", 1e-3), ("bilinear", 0.15)])
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


@interpolations
@pytest.mark.parametrize("side", [11, 12])
def test_quarter_turns_are_exact_even_in_a_mixed_batch(interpolation, side):
    x = images(6, 2, side, side)
    theta = torch.tensor([[0.0, 90.0, 180.0, 270.0, -90.0, 33.0]], dtype=torch.float64)
    rotation = Rotation(interpolation)
    turned = rotation(x, theta=theta)
    for k, turns in enumerate((0, 1, 2, 3, -1)):
        assert torch.equal(turned[k], x[k].rot90(turns, (-2, -1)))
    torch.testing.assert_close(turned[5:], rotation(x[5:], theta=torch.tensor([33.0])))
    assert torch.equal(rotation.inverse(turned, theta=theta)[:5], x[:5])


@interpolations
def test_angles_next_to_a_quarter_turn_are_next_to_it_and_nothing_jumps_half_way(interpolation):
    x, rotation = picture(0.0), Rotation(interpolation)
    near = rotation(x, theta=torch.tensor([90.0 + 1e-6], dtype=torch.float64))
    torch.testing.assert_close(near, torch.rot90(x, 1, (-2, -1)), rtol=0, atol=1e-6)
    for degrees in (45.0, 135.0, -45.0):
        sides = [rotation(x, theta=torch.tensor([degrees + d], dtype=torch.float64)) for d in (-1e-6, 1e-6)]
        torch.testing.assert_close(*sides, rtol=0, atol=0.05)


def test_outside_are_zeros_for_bilinear_rotations_and_the_image_itself_for_fourier_ones():
    ones, theta = torch.ones(1, 1, 32, 32, dtype=torch.float64), torch.tensor([45.0])
    bilinear = Rotation("bilinear")(ones, theta=theta)
    assert (float(bilinear[0, 0, 0, 0]), float(bilinear[0, 0, 16, 16])) == pytest.approx((0.0, 1.0))
    torch.testing.assert_close(Rotation("fourier")(ones, theta=theta), ones)


@interpolations
def test_images_that_are_not_square_keep_their_pixels_square(interpolation):
    rows = torch.arange(32, dtype=torch.float64)[:, None] - 15.5
    columns = torch.arange(48, dtype=torch.float64)[None, :] - 23.5
    ring = torch.exp(-((torch.hypot(columns, rows) - 8) ** 2) / 8)[None, None]
    for theta in (90.0, 41.0, 180.0):
        turned = Rotation(interpolation)(ring, theta=torch.tensor([theta]))
        torch.testing.assert_close(turned, ring, rtol=0, atol=0.1 if interpolation == "bilinear" else 0.01)


def test_fourier_rotations_turn_images_that_are_not_square_on_a_square_canvas():
    wide, theta = images(1, 1, 10, 16), torch.tensor([33.0], dtype=torch.float64)
    square = torch.nn.functional.pad(wide, (0, 0, 3, 3))
    rotation = Rotation("fourier")
    torch.testing.assert_close(rotation(wide, theta=theta), rotation(square, theta=theta)[..., 3:13, :])
    with pytest.raises(InputError, match="both sides are even or both odd"):
        rotation(images(1, 1, 10, 15), theta=theta)


@interpolations
def test_it_is_linear_and_differentiable_and_keeps_the_precision(interpolation):
    rotation, theta = Rotation(interpolation), torch.tensor([[20.0, -70.0]], dtype=torch.float64)
    x, z = images(2, 2, 1, 6, 6)
    combined = rotation(2 * x - 3 * z, theta=theta)
    torch.testing.assert_close(combined, 2 * rotation(x, theta=theta) - 3 * rotation(z, theta=theta))
    assert torch.autograd.gradcheck(lambda u: rotation(u, theta=theta), (x.requires_grad_(),))
    assert rotation(x.float(), theta=theta).dtype == torch.float32


def test_every_image_has_its_own_angle_in_the_range():
    x = torch.zeros(500, 1, 4, 4)
    theta = Rotation(max_degrees=30, rng=torch.Generator().manual_seed(0)).get_params(x)["theta"]
    assert theta.shape == (1, 500)
    assert theta.unique().numel() == 500
    assert theta.abs().max() <= 30
    assert theta.std().item() == pytest.approx(60 / math.sqrt(12), rel=0.1)


def test_randomness_comes_from_pytorch_or_from_the_own_generator():
    x = picture(0.0)
    torch.manual_seed(0)
    first = Rotation()(x)
    second = Rotation()(x)
    torch.manual_seed(0)
    assert torch.equal(Rotation()(x), first)
    assert not torch.equal(second, first)
    own = [Rotation(rng=torch.Generator().manual_seed(s))(x) for s in (0, 0, 1)]
    assert torch.equal(own[0], own[1])
    assert not torch.equal(own[0], own[2])
