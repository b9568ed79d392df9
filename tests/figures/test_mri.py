"""k-space figures: measured columns, turned."""

import math

import numpy as np
import torch

from eiwork.figures.mri import turned_columns, turned_sampling
from eiwork.physics import mri, real_to_complex
from eiwork.symmetry import Rotation

SIDE = 16
IMAGE = torch.zeros(1, SIDE, SIDE)
IMAGE[:, 5:11, 4:9] = 1.0


def full_kspace(image):
    return mri(SIDE, acceleration=1).A(real_to_complex(image[None]))[0]


def test_a_turned_column_lies_where_the_turned_image_has_its_energy():
    """A wave along the columns, turned: its energy in k-space moves as `turned_columns` says."""
    n, k = 64, 12
    y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    window = torch.exp(-((x - n / 2) ** 2 + (y - n / 2) ** 2) / (2 * 8.0**2))
    wave = (window * torch.cos(2 * math.pi * k * x / n))[None, None].double()
    for degrees in (30.0, -70.0):
        turned = Rotation("fourier").transform(wave, theta=torch.tensor([degrees], dtype=torch.float64))
        spectrum = torch.fft.fftshift(torch.fft.fft2(turned[0, 0])).abs()
        spectrum[:, : n // 2] = 0  # one of two peaks
        peak = np.array(np.unravel_index(int(spectrum.argmax()), spectrum.shape))[::-1]
        middle = turned_columns([n // 2 + k], (n, n), degrees)[0].mean(axis=0)
        # The middle of a column's ends lies half a pixel off the zero frequency's row.
        assert np.abs(peak - middle).max() <= 1.5


def test_columns_are_turned_against_the_head():
    theta = torch.tensor([90.0], dtype=torch.float64)
    turned = Rotation().transform(IMAGE[None].double(), theta=theta)[0].float()
    figure = turned_sampling(turned, [full_kspace(IMAGE), full_kspace(turned)], [6, 8, 9], 90)
    upright, back = (axis.collections[0].get_segments() for axis in figure.axes[1:])
    assert len(upright) == len(back) == 3
    assert np.allclose([line[0, 0] - line[1, 0] for line in upright], 0)
    assert np.allclose([line[0, 1] - line[1, 1] for line in back], 0)
    # Column 9 is right of the middle; turned clockwise it is below.
    assert np.allclose(back[2][:, 1], 9)
    assert "turned by 90 degrees" in figure.alt_text
    assert "turned by -90 degrees" in figure.alt_text
