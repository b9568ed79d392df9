"""Integrals of a vector field along straight lines between images."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError

ImageMap = Callable[[Tensor], Tensor]
Image = Float[Tensor, "batch channel height width"]
Vector = Float[Tensor, " batch"]


def gauss_legendre(order: int) -> tuple[list[float], list[float]]:
    """Nodes and weights on [0, 1]; exact for polynomials of degree 2 order - 1. Raises InputError below order 1."""
    if order < 1:
        raise InputError(f"order={order}: a quadrature needs at least one node; 8 suits smooth networks.")
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()


def in_chunks(denoiser: ImageMap, images: Image) -> Image:
    """D of many images, 64 at a time."""
    return torch.cat([denoiser(part) for part in images.split(64)])


def inner(a: Tensor, b: Tensor) -> Vector:
    """Inner product per sample, summed in float64."""
    return (a.double() * b.double()).flatten(1).sum(dim=1)


def line_integral(denoiser: ImageMap, start: Tensor, end: Tensor, *, order: int = 8) -> Vector:
    """The integral of <D(x), dx> along the line from start to end, per sample, in float64.

    start, end: images, of equal batches or one of them a batch of one. order: Gauss-Legendre nodes. Differentiable in
    what D closes over and in the ends.
    """
    start, end = torch.broadcast_tensors(start, end)
    step = end - start
    nodes, weights = gauss_legendre(order)
    points = torch.cat([start + t * step for t in nodes])
    values = in_chunks(denoiser, points).chunk(order)
    return torch.stack([w * inner(value, step) for w, value in zip(weights, values, strict=True)]).sum(dim=0)
