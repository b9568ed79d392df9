"""The figures of single lessons: cobwebs, spectra, measured columns of k-space turned."""

import math

import numpy as np
import torch

from eiwork.figures.fixed_point import cobweb, spectrum
from eiwork.figures.mri import turned_columns, turned_sampling
from eiwork.physics import mri, real_to_complex
from eiwork.symmetry import Rotation

GRID = [0.0, 1.0, 2.0]
IMAGE = torch.zeros(1, 16, 16)
IMAGE[:, 5:11, 4:9] = 1.0


def test_a_cobweb_goes_to_the_curve_and_then_to_the_diagonal():
    figure = cobweb(GRID, [[0.0, 0.5, 1.0]], [[2.0, 1.0, 0.5]], ["half of z"], description="A path.")
    diagonal, curve, stairs, start = figure.axes[0].lines
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert curve.get_ydata().tolist() == [0.0, 0.5, 1.0]
    # From the diagonal to the curve, to the diagonal, to the curve, to the diagonal.
    assert stairs.get_xdata().tolist() == [2.0, 2.0, 1.0, 1.0, 0.5]
    assert stairs.get_ydata().tolist() == [2.0, 1.0, 1.0, 0.5, 0.5]
    assert start.get_xdata().tolist() == [2.0]
    assert figure.alt_text.startswith("A path. Cobweb")
    assert "half of z: from 2 to 0.5 in 2 iterations" in figure.alt_text
    # A path that leaves the range does not move the axes.
    figure = cobweb(GRID, [GRID, GRID], [[1.0, 1.0], [1.0, 100.0]], ["stays", "leaves"])
    assert [axis.get_xlim() for axis in figure.axes] == [(0.0, 2.0)] * 2
    assert [axis.get_ylim() for axis in figure.axes] == [(0.0, 2.0)] * 2


def test_a_spectrum_has_a_panel_for_each_set_with_the_unit_circle():
    figure = spectrum({"rotation": torch.tensor([0.5j, -0.5j]), "real": np.array([0.9, -1.2])})
    assert len(figure.axes) == 2
    for axis in figure.axes:
        circle = axis.lines[0]
        assert np.allclose(np.hypot(circle.get_xdata(), circle.get_ydata()), 1)
    rotation, real = (axis.lines[1] for axis in figure.axes)
    assert rotation.get_ydata().tolist() == [0.5, -0.5]
    assert real.get_xdata().tolist() == [0.9, -1.2]
    assert set(real.get_ydata()) == {0.0}
    assert "rotation: 2 eigenvalues, largest modulus 0.5" in figure.alt_text
    assert "real: 2 eigenvalues, largest modulus 1.2" in figure.alt_text


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
    rest, moved = (mri(16, acceleration=1).A(real_to_complex(image[None]))[0] for image in (IMAGE, turned))
    figure = turned_sampling(turned, [rest, moved], [6, 8, 9], 90)
    upright, back = (axis.collections[0].get_segments() for axis in figure.axes[1:])
    assert len(upright) == len(back) == 3
    assert np.allclose([line[0, 0] - line[1, 0] for line in upright], 0)
    assert np.allclose([line[0, 1] - line[1, 1] for line in back], 0)
    # Column 9 is right of the middle; turned clockwise it is below.
    assert np.allclose(back[2][:, 1], 9)
    assert "turned by 90 degrees" in figure.alt_text
    assert "turned by -90 degrees" in figure.alt_text
