"""Cubic B-spline interpolation of images, differentiable."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample


@functools.lru_cache(maxsize=16)
def coefficient_matrix(n: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "n n"]:
    """Samples to B-spline coefficients along an axis of n pixels: the inverse of tridiag(1, 4, 1) / 6.

    With coefficients on the pixels only, the spline passes through the samples and falls to zero within two
    pixels outside the image.
    """
    ones = torch.ones(n - 1, dtype=torch.float64)
    sampling = torch.eye(n, dtype=torch.float64) * 4 + torch.diag(ones, 1) + torch.diag(ones, -1)
    return torch.linalg.inv(sampling / 6).to(device, dtype)


def spline_sample(
    x: Float[Tensor, "batch channel height width"], position: Float[Tensor, "batch rows columns 2"]
) -> Float[Tensor, "batch channel rows columns"]:
    """Value at any position of the cubic B-spline through the pixels; linear in x, zero outside.

    Coefficients come from one small dense product per axis (Unser, 1999). The spline's 16 terms are gathered by
    four bilinear look-ups, as in Ruijters et al. (2008).

    Args:
        x: images.
        position: (column, row) in pixels, 0 being the centre of the first pixel.
    """
    height, width = x.shape[-2:]
    with torch.autocast(x.device.type, enabled=False):
        rows = coefficient_matrix(height, x.dtype, x.device)
        columns = coefficient_matrix(width, x.dtype, x.device)
        coefficients = rows @ x @ columns
        cell = position.floor()
        t = position - cell
        # The four weights of the cubic B-spline, two and two: g is the pair's sum, h where a bilinear look-up
        # gives the pair in the right proportion.
        w1, w2 = (4 - 6 * t**2 + 3 * t**3) / 6, (4 - 6 * (1 - t) ** 2 + 3 * (1 - t) ** 3) / 6
        w0, w3 = (1 - t) ** 3 / 6, t**3 / 6
        lower, upper = (w0 + w1, cell - 1 + w1 / (w0 + w1)), (w2 + w3, cell + 1 + w3 / (w2 + w3))
        size = torch.tensor([width, height], dtype=x.dtype, device=x.device)
        total = torch.zeros((), dtype=x.dtype, device=x.device)
        for gx, hx in (lower, upper):
            for gy, hy in (lower, upper):
                pixel = torch.stack([hx[..., 0], hy[..., 1]], dim=-1)
                grid = (2 * pixel + 1) / size - 1
                value = grid_sample(coefficients, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
                total = total + value * (gx[..., 0] * gy[..., 1])[:, None]
    return total
