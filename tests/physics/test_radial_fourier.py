"""Trajectories, the transform at their samples against the sum over pixels, and gridding."""

import copy
import pickle

import numpy as np
import pytest
import torch
from dense_algebra import randn

from eiwork import data
from eiwork.physics import radial_mri, real_to_complex
from eiwork.physics.radial_fourier import GOLDEN_ANGLE, NonuniformFourier, radial_fourier, radial_trajectory


def complex_randn(*shape, seed=0):
    return randn(*shape, dtype=torch.complex128, seed=seed)


def test_the_default_is_one_sample_a_pixel_at_the_golden_angle():
    trajectory = radial_trajectory(8, 3)
    assert trajectory.shape == (3, 8)
    assert trajectory.positions == (-4, -3, -2, -1, 0, 1, 2, 3)
    assert trajectory.angles == pytest.approx((0, 111.24612, 222.49224))
    assert radial_trajectory(7, 1).positions == (-3, -2, -1, 0, 1, 2, 3)
    # An angle of zero points along the row, ninety degrees down the column.
    ky, kx = radial_trajectory(4, 2, angles=[0, 90], positions=[-2, -1, 0, 1]).frequencies()
    np.testing.assert_allclose(kx, [-2, -1, 0, 1, 0, 0, 0, 0], atol=1e-15)
    np.testing.assert_allclose(ky, [0, 0, 0, 0, -2, -1, 0, 1], atol=1e-15)


@pytest.mark.parametrize("n_spokes", [13, 21, 34])
def test_fibonacci_numbers_of_golden_spokes_are_nearly_even(n_spokes):
    gaps = np.diff(np.sort(np.mod(np.arange(n_spokes) * GOLDEN_ANGLE, 180)))
    assert gaps.max() < 1.7 * gaps.min()


@pytest.mark.parametrize("size", [7, 8])
def test_it_is_the_sum_over_pixels(size):
    frequencies = radial_trajectory(size, 5).frequencies()
    x = complex_randn(size, size)
    expected = torch.zeros(frequencies.shape[1], dtype=torch.complex128)
    for m, (ky, kx) in enumerate(frequencies.T):
        for r in range(size):
            for c in range(size):
                phase = -2j * np.pi * (ky * (r - size // 2) + kx * (c - size // 2)) / size
                expected[m] += x[r, c] * np.exp(phase)
    found = NonuniformFourier(size, frequencies).forward(x)
    assert (found - expected).abs().max() < 1e-8 * expected.abs().max()


def test_whole_frequencies_are_the_fft():
    k = np.arange(8) - 4.0
    frequencies = np.stack([np.repeat(k, 8), np.tile(k, 8)])
    x = complex_randn(2, 8, 8)
    centred = torch.fft.ifftshift(x, dim=(-2, -1))
    expected = torch.fft.fftshift(torch.fft.fft2(centred), dim=(-2, -1)).flatten(1)
    assert (NonuniformFourier(8, frequencies).forward(x) - expected).norm() < 1e-8 * expected.norm()


@pytest.mark.parametrize("size", [7, 8, 32])
def test_the_adjoint_is_exact_and_the_normal_operator_is_a_convolution(size):
    fourier = radial_fourier(radial_trajectory(size, 9))
    x, y = complex_randn(3, size, size), complex_randn(3, 9 * size, seed=1)
    left, right = (fourier.forward(x) * y.conj()).sum(), (x * fourier.adjoint(y).conj()).sum()
    assert (left - right).abs() < 1e-13 * fourier.forward(x).norm() * y.norm()
    expected = fourier.adjoint(fourier.forward(x))
    assert (fourier.normal(x) - expected).norm() < 1e-8 * expected.norm()


def test_a_trajectory_is_built_once_and_copies_share_it():
    fourier = radial_fourier(radial_trajectory(8, 3))
    assert radial_fourier(radial_trajectory(8, 3)) is fourier
    assert copy.deepcopy(fourier) is fourier
    assert pickle.loads(pickle.dumps(fourier)) is fourier


@pytest.fixture(scope="module")
def head():
    return real_to_complex(data.load("mri", "test", 64)[40:41].double())


def within_the_disc(x):
    """The part of an image at frequencies that spokes reach."""
    spectrum = torch.fft.fft2(torch.complex(x[:, 0], x[:, 1]))
    k = torch.fft.fftfreq(64, d=1 / 64)
    low = torch.fft.ifft2(spectrum * (k[:, None].square() + k.square() <= 32**2))
    return torch.stack([low.real, low.imag], dim=1)


@pytest.mark.parametrize("options", [{}, {"n_coils": 4}, {"positions": (torch.arange(128) - 64) / 2}])
def test_gridding_of_many_spokes_recovers_the_image_in_its_own_units(head, options):
    physics = radial_mri(64, 200, **options)
    x = physics.gridding(physics.A(head))
    inside = within_the_disc(head)
    assert (x - inside).norm() < 0.02 * inside.norm()
    assert (x - head).norm() < 0.05 * head.norm()
    assert x[:, 0].mean().item() == pytest.approx(head[:, 0].mean().item(), rel=1e-4)


def test_fewer_spokes_leave_streaks(head):
    errors = [(p.gridding(p.A(head)) - head).norm().item() for p in (radial_mri(64, n) for n in (100, 50, 25))]
    assert 2 * errors[0] < errors[1] < 0.5 * errors[2]
