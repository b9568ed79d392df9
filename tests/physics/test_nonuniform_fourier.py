import copy
import pickle

import numpy as np
import pytest
import torch

from eiwork.physics.nonuniform_fourier import NonuniformFourier, radial_fourier
from eiwork.physics.radial_trajectory import radial_trajectory


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def double_loop(x, frequencies):
    size = x.shape[-1]
    out = torch.zeros(frequencies.shape[1], dtype=torch.complex128)
    for m, (ky, kx) in enumerate(frequencies.T):
        for r in range(size):
            for c in range(size):
                phase = -2j * np.pi * (ky * (r - size // 2) + kx * (c - size // 2)) / size
                out[m] += x[r, c] * np.exp(phase)
    return out


@pytest.mark.parametrize("size", [7, 8])
def test_it_is_the_sum_over_pixels(size):
    frequencies = radial_trajectory(size, 5).frequencies()
    x = randn(size, size)
    expected = double_loop(x, frequencies)
    found = NonuniformFourier(size, frequencies).forward(x)
    assert (found - expected).abs().max() < 1e-8 * expected.abs().max()


def test_whole_frequencies_are_the_fft():
    k = np.arange(8) - 4.0
    frequencies = np.stack([np.repeat(k, 8), np.tile(k, 8)])
    x = randn(2, 8, 8)
    centred = torch.fft.ifftshift(x, dim=(-2, -1))
    expected = torch.fft.fftshift(torch.fft.fft2(centred), dim=(-2, -1)).flatten(1)
    assert (NonuniformFourier(8, frequencies).forward(x) - expected).norm() < 1e-8 * expected.norm()


@pytest.mark.parametrize("size", [7, 8, 32])
def test_the_adjoint_is_exact(size):
    fourier = radial_fourier(radial_trajectory(size, 9))
    x, y = randn(3, size, size), randn(3, 9 * size, seed=1)
    left, right = (fourier.forward(x) * y.conj()).sum(), (x * fourier.adjoint(y).conj()).sum()
    assert (left - right).abs() < 1e-13 * fourier.forward(x).norm() * y.norm()


@pytest.mark.parametrize("size", [7, 16])
def test_the_normal_operator_is_the_convolution_with_the_point_response(size):
    fourier = radial_fourier(radial_trajectory(size, 9))
    x = randn(2, 3, size, size)
    expected = fourier.adjoint(fourier.forward(x))
    assert (fourier.normal(x) - expected).norm() < 1e-8 * expected.norm()


def test_single_precision_follows_the_input():
    fourier = radial_fourier(radial_trajectory(16, 5))
    x = randn(16, 16)
    for method, argument in (
        (fourier.forward, x),
        (fourier.adjoint, randn(80)),
        (fourier.normal, x),
    ):
        exact, found = method(argument), method(argument.to(torch.complex64))
        assert found.dtype == torch.complex64
        assert (found - exact).norm() < 1e-5 * exact.norm()


def test_a_trajectory_is_built_once_and_copies_share_it():
    fourier = radial_fourier(radial_trajectory(8, 3))
    assert radial_fourier(radial_trajectory(8, 3)) is fourier
    assert copy.deepcopy(fourier) is fourier
    assert pickle.loads(pickle.dumps(fourier)) is fourier
