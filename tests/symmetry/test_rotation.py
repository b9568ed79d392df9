import math

import deepinv
import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import tomography
from eiwork.symmetry import Rotation


def band_limited(cutoff, batch=8, size=64, dtype=torch.float64):
    """Random images without frequencies above `cutoff` (cycles per pixel), faded out inside a disc."""
    noise = torch.randn(batch, 1, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    f = torch.fft.fftfreq(size, dtype=torch.float64)
    low = torch.fft.ifft2(torch.fft.fft2(noise) * (torch.hypot(f[:, None], f[None]) < cutoff)).real
    r = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) / (0.4 * size)
    r = torch.hypot(r[:, None], r[None]).clamp(max=1)
    return (low * (1 + torch.cos(math.pi * r)) / 2).to(dtype)


def round_trip_error(interpolation, x):
    rotation = Rotation(interpolation, rng=torch.Generator().manual_seed(1))
    params = rotation.get_params(x)
    back = rotation.inverse(rotation(x, **params), **params)
    return ((back - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)).mean().item()


@pytest.mark.parametrize(("cutoff", "spline", "bicubic"), [(0.1, 0.0004, 0.03), (0.2, 0.005, 0.05), (0.3, 0.03, 0.06)])
def test_interpolation_error_on_band_limited_images(cutoff, spline, bicubic):
    x = band_limited(cutoff)
    error = {mode: round_trip_error(mode, x) for mode in ("spline", "bicubic", "bilinear", "nearest")}
    assert error["spline"] < spline
    assert error["bicubic"] < bicubic
    assert error["spline"] < error["bicubic"] < 0.6 * min(error["bilinear"], error["nearest"])


@pytest.mark.parametrize("interpolation", ["spline", "bicubic"])
def test_quarter_turns_are_exact_even_in_a_mixed_batch(interpolation):
    x = torch.rand(5, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    rotation = Rotation(interpolation)
    theta = torch.tensor([[0.0, 90.0, 180.0, -90.0, 33.0]], dtype=torch.float64)
    turned = rotation(x, theta=theta)
    for k, turns in enumerate((0, 1, 2, -1)):
        assert torch.equal(turned[k], torch.rot90(x[k], turns, (-2, -1)))
    torch.testing.assert_close(turned[4:], rotation(x[4:], theta=torch.tensor([33.0])))


@pytest.mark.parametrize("interpolation", ["spline", "bicubic", "bilinear", "nearest"])
def test_angles_next_to_a_quarter_turn_are_next_to_it(interpolation):
    x = band_limited(0.2, batch=1)
    theta = torch.tensor([90.0 + 1e-6], dtype=torch.float64)
    near = Rotation(interpolation)(x, theta=theta)
    torch.testing.assert_close(near, torch.rot90(x, 1, (-2, -1)), rtol=0, atol=1e-6)


def test_a_known_blob_lands_where_it_should():
    centred = torch.arange(33, dtype=torch.float64) - 16

    def blob(x0, y0):
        return torch.exp(-((centred[None, :] - x0) ** 2 + (-centred[:, None] - y0) ** 2) / 8)[None, None]

    # Counter-clockwise by 30 degrees, y upwards.
    a = math.radians(30)
    moved = blob(8 * math.cos(a), 8 * math.sin(a))
    torch.testing.assert_close(Rotation()(blob(8, 0), theta=torch.tensor([30.0])), moved, rtol=0, atol=2e-3)


def test_images_that_are_not_square_keep_their_pixels_square():
    centred_y = torch.arange(32, dtype=torch.float64)[:, None] - 15.5
    centred_x = torch.arange(48, dtype=torch.float64)[None, :] - 23.5
    ring = torch.exp(-((torch.hypot(centred_x, centred_y) - 8) ** 2) / 8)[None, None]
    for theta in (90.0, 41.0):
        turned = Rotation()(ring, theta=torch.tensor([theta]))
        torch.testing.assert_close(turned, ring, rtol=0, atol=0.01)


def test_outside_is_zero():
    turned = Rotation()(torch.ones(1, 1, 32, 32), theta=torch.tensor([45.0]))
    assert abs(turned[0, 0, 0, 0]) < 1e-6
    assert turned[0, 0, 16, 16].item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("interpolation", ["spline", "bicubic"])
def test_it_is_linear_and_differentiable(interpolation):
    rotation = Rotation(interpolation)
    theta = torch.tensor([[20.0, -70.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    x, z = torch.randn(2, 2, 1, 6, 6, dtype=torch.float64, generator=generator)
    combined = rotation(2 * x - 3 * z, theta=theta)
    torch.testing.assert_close(combined, 2 * rotation(x, theta=theta) - 3 * rotation(z, theta=theta))
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda u: rotation(u, theta=theta), (x,))
    # Reverse mode is the adjoint: <T x, w> = <x, T^T w>.
    w = torch.randn(2, 1, 6, 6, dtype=torch.float64, generator=generator)
    value = rotation(x, theta=theta)
    (adjoint,) = torch.autograd.grad(value, x, w)
    torch.testing.assert_close((value * w).sum(), (x * adjoint).sum())


def test_every_image_has_its_own_angle_in_the_range():
    x = torch.zeros(500, 1, 4, 4)
    theta = Rotation(max_degrees=30, rng=torch.Generator().manual_seed(0)).get_params(x)["theta"]
    assert theta.shape == (1, 500)
    assert theta.unique().numel() == 500
    assert theta.abs().max() <= 30
    assert theta.std().item() == pytest.approx(60 / math.sqrt(12), rel=0.1)


def test_randomness_comes_from_pytorch_or_from_the_own_generator():
    x = band_limited(0.2)
    torch.manual_seed(0)
    first = Rotation()(x)
    second = Rotation()(x)
    torch.manual_seed(0)
    assert torch.equal(Rotation()(x), first)
    assert not torch.equal(second, first)
    own = [Rotation(rng=torch.Generator().manual_seed(s))(x) for s in (0, 0, 1)]
    assert torch.equal(own[0], own[1])
    assert not torch.equal(own[0], own[2])


def test_the_gradient_of_deepinvs_ei_loss_flows_through_it():
    physics = tomography(16, 6)
    x = band_limited(0.2, batch=2, size=16, dtype=torch.float32).requires_grad_()

    def model(y, physics, **kwargs):
        return physics.A_adjoint(y)

    loss = deepinv.loss.EILoss(Rotation(), apply_noise=False)(x_net=x, physics=physics, model=model)
    (gradient,) = torch.autograd.grad(loss, x)
    assert torch.isfinite(gradient).all()
    assert gradient.norm() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interpolation": "lanczos"}, "interpolation = 'lanczos' is unknown; use one of: spline, bicubic"),
        ({"max_degrees": 0}, "max_degrees = 0"),
        ({"max_degrees": 200.0}, r"max_degrees = 200\.0"),
        ({"n_trans": 0}, "n_trans = 0"),
    ],
)
def test_useless_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Rotation(**arguments)


def test_other_transforms_parameters_are_not_enough():
    with pytest.raises(InputError, match="theta is missing"):
        Rotation()(torch.zeros(1, 1, 4, 4), x_shift=torch.zeros(1))
