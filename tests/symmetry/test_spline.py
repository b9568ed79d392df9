import numpy as np
import torch
from scipy.ndimage import map_coordinates

from eiwork.symmetry.spline import coefficient_matrix, spline_sample


def test_the_spline_passes_through_the_pixels():
    x = torch.rand(2, 3, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.meshgrid(torch.arange(7.0), torch.arange(5.0), indexing="ij")
    position = torch.stack([columns, rows], dim=-1).double().expand(2, 7, 5, 2)
    torch.testing.assert_close(spline_sample(x, position), x)


def test_it_agrees_with_scipys_cubic_spline_inside():
    rng = np.random.default_rng(0)
    # Zeros around, so that both libraries' boundary rules agree in the middle.
    image = np.zeros((40, 40))
    image[14:26, 14:26] = rng.random((12, 12))
    points = 5 + 30 * rng.random((2, 50))
    expected = map_coordinates(image, points, order=3, mode="constant")
    position = torch.from_numpy(points[::-1].T.copy()).view(1, 50, 1, 2)
    ours = spline_sample(torch.from_numpy(image)[None, None], position).flatten()
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_coefficients_solve_the_interpolation_equations():
    inverse = coefficient_matrix(6, torch.float64, torch.device("cpu"))
    c = inverse @ torch.ones(6, dtype=torch.float64)
    padded = torch.nn.functional.pad(c, (1, 1))
    torch.testing.assert_close((padded[:-2] + 4 * padded[1:-1] + padded[2:]) / 6, torch.ones(6, dtype=torch.float64))
