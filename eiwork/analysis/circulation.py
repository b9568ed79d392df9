"""Line integrals of a denoiser: around closed loops they are zero exactly if it is a gradient."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.jacobian import Image, ImageMap, Vector, inner
from eiwork.errors import InputError

PerLoop = Float[Tensor, " loops"]
Loops = Float[Tensor, "loops nodes channel height width"]


def line_integral(denoiser: ImageMap, start: Tensor, end: Tensor, *, order: int = 8) -> Vector:
    """The integral of <D(x), dx> along the line from start to end, per sample, in float64.

    start, end: images, of equal batches or one of them a batch of one. order: Gauss-Legendre nodes, exact for
    polynomials of degree 2 order - 1; InputError below 1. Differentiable in what D closes over and in the ends.
    """
    if order < 1:
        raise InputError(f"order={order}: a quadrature needs at least one node; 8 suits smooth networks.")
    start, end = torch.broadcast_tensors(start, end)
    step = end - start
    nodes, weights = np.polynomial.legendre.leggauss(order)
    points = torch.cat([start + t * step for t in ((nodes + 1) / 2).tolist()])
    values = _in_chunks(denoiser, points).chunk(order)
    parts = [w * inner(value, step) for w, value in zip((weights / 2).tolist(), values, strict=True)]
    return torch.stack(parts).sum(dim=0)


@dataclass(frozen=True)
class Ellipse:
    """centre + cos(t) u + sin(t) v for t from 0 to 2 pi: a circle of radius r if u and v are orthogonal of length r.

    centre, u, v: (loops, channel, height, width). `order` counts equally spaced nodes, whose error falls faster than
    any power of them on a smooth closed curve.
    """

    centre: Image
    u: Image
    v: Image

    def nodes(self, order: int) -> tuple[Loops, Loops]:
        """Equally spaced nodes; InputError for fewer than three."""
        if order < 3:
            raise InputError(f"order={order}: a circle needs at least three nodes; 16 suits smooth networks.")
        angles = [2 * math.pi * k / order for k in range(order)]
        points = [self.centre + math.cos(t) * self.u + math.sin(t) * self.v for t in angles]
        steps = [(math.cos(t) * self.v - math.sin(t) * self.u) * (2 * math.pi / order) for t in angles]
        return torch.stack(points, dim=1), torch.stack(steps, dim=1)


@dataclass(frozen=True)
class Circulation:
    """The line integral of D around each loop.

    value: the integral of <D(x), dx>, in units of the image squared.
    normalised: value over the integral of |<D(x), dx>|, in [-1, 1]: the share of the work that does not cancel.
    learnt: the same of D(x) - c x - b. This part has the same circulation, and no pull towards the identity to hide it.
    multiple: c.
    """

    value: PerLoop
    normalised: PerLoop
    learnt: PerLoop
    multiple: PerLoop


@torch.no_grad()
def circulation(denoiser: ImageMap, loops: Ellipse, *, order: int = 16) -> Circulation:
    """The circulation of D around each loop, in float64 sums.

    order: nodes, >= 3. c, b: the least-squares fit of D by c x + b on the loop. By
    Stokes' theorem the value is the integral of <(J - J^T) u, v> over a surface in it.
    """
    points, steps = loops.nodes(order)
    out = _in_chunks(denoiser, points.flatten(0, 1)).view_as(points)
    points, steps, out = (t.flatten(2).double() for t in (points, steps, out))
    spread = points - points.mean(dim=1, keepdim=True)
    rest = out - out.mean(dim=1, keepdim=True)
    c = (rest * spread).sum(dim=(1, 2)) / spread.square().sum(dim=(1, 2))
    # c x + b is a gradient: leaving it out of the sum too loses nothing but its rounding.
    learnt = ((rest - c[:, None, None] * spread) * steps).sum(dim=2)
    value, whole = learnt.sum(dim=1), (out * steps).sum(dim=2)
    return Circulation(value, _share(value, whole.abs().sum(dim=1)), _share(value, learnt.abs().sum(dim=1)), c)


def _share(value: PerLoop, work: PerLoop) -> PerLoop:
    return torch.where(work > 0, value / torch.where(work > 0, work, 1.0), 0.0)


def _in_chunks(denoiser: ImageMap, images: Image) -> Image:
    """D of many images, 64 at a time."""
    return torch.cat([denoiser(part) for part in images.split(64)])
