import math

import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import tomography


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def disc(size, radius, value):
    fine = (torch.arange(size * 8, dtype=torch.float64) - (size * 8 - 1) / 2) / 8
    inside = (fine[:, None] ** 2 + fine[None, :] ** 2 < radius**2).double()
    return value * torch.nn.functional.avg_pool2d(inside[None, None], 8)


def test_fbp_has_the_scale_of_the_image():
    x = disc(64, 20, 0.7)
    physics = tomography(64, 180)
    centred = torch.arange(64) - 31.5
    radius = torch.hypot(centred[:, None], centred[None, :])
    for window in ("ramp", "hann"):
        image = physics.fbp(physics.A(x), window=window)[0, 0]
        assert image[radius < 16].mean().item() == pytest.approx(0.7, rel=0.01)
        assert abs(image[(radius > 24) & (radius < 31)].mean()) < 0.01


def test_fbp_of_uneven_views_keeps_the_scale():
    x = disc(32, 10, 1.0)
    dense_half, sparse_half = torch.arange(0, 90, 1.0), torch.arange(90, 180, 3.0)
    angles = torch.cat([dense_half, sparse_half])
    image = tomography(32, len(angles), angles=angles).fbp(tomography(32, len(angles), angles=angles).A(x))
    assert image[0, 0, 12:20, 12:20].mean().item() == pytest.approx(1.0, rel=0.02)


def test_the_hann_window_lowers_the_noise():
    physics = tomography(32, 60)
    noise = randn(1, 1, physics.geometry.n_detectors, 60)
    ramp, hann = physics.fbp(noise), physics.fbp(noise, window="hann")
    assert hann.norm() < 0.6 * ramp.norm()
    with pytest.raises(InputError, match="window = 'boxcar'"):
        physics.fbp(noise, window="boxcar")


def test_the_ramp_filter_is_the_second_derivative_of_the_hilbert_pair():
    # |f| applied twice is f^2, so minus the second derivative over 4 pi^2: exact for a wide Gaussian.
    from eiwork.physics.filtered_backprojection import ramp_filter

    t = torch.arange(201, dtype=torch.float64) - 100
    s = 6.0
    gaussian = torch.exp(-(t**2) / (2 * s**2))
    expected = -(t**2 / s**4 - 1 / s**2) * gaussian / (4 * math.pi**2)
    once = ramp_filter(gaussian.view(1, 1, -1, 1), "ramp")
    twice = ramp_filter(once, "ramp").flatten()
    torch.testing.assert_close(twice[60:141], expected[60:141], rtol=0, atol=2e-5)
