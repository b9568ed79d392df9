"""The circulation of a denoiser around closed loops: zero exactly if it is a gradient."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.loops import Loop
from eiwork.analysis.quadrature import in_chunks

ImageMap = Callable[[Tensor], Tensor]
PerLoop = Float[Tensor, " loops"]


@dataclass(frozen=True)
class Circulation:
    """The line integral of D around each loop.

    value: the integral of <D(x), dx>, in units of the image squared.
    normalised: value over the integral of |<D(x), dx>|, in [-1, 1]: the share of the work that does not cancel.
    learnt: the same of D(x) - c x - b. This part has the same circulation, and no pull towards the identity to hide it.
    multiple: c. quadrature_error: of value, the difference to a rule of half the nodes.
    """

    value: PerLoop
    normalised: PerLoop
    learnt: PerLoop
    multiple: PerLoop
    quadrature_error: PerLoop


@torch.no_grad()
def circulation(
    denoiser: ImageMap,
    loops: Loop,
    *,
    order: int = 16,
    multiple: float | int | None = None,
    chunk: int = 64,
) -> Circulation:
    """The circulation of D around each loop, in float64 sums.

    order: nodes an edge (Polygon) or in all (Ellipse), even and >= 6 or so; half of them give the error. multiple: c,
    by default the least-squares fit of D by c x + b on the loop; b always is that fit's. chunk: images D sees at once.
    By Stokes' theorem the value is the integral of <(J - J^T) u, v> over a surface in the loop.
    """
    coarse, *_ = _integrate(denoiser, loops, order // 2, multiple, chunk)
    value, work, learnt_work, c = _integrate(denoiser, loops, order, multiple, chunk)
    return Circulation(value, _share(value, work), _share(value, learnt_work), c, (value - coarse).abs())


def _integrate(
    denoiser: ImageMap, loops: Loop, order: int, multiple: float | int | None, chunk: int
) -> tuple[PerLoop, PerLoop, PerLoop, PerLoop]:
    points, steps = loops.nodes(order)
    out = in_chunks(denoiser, points.flatten(0, 1), chunk).view_as(points)
    points, steps, out = (t.flatten(2).double() for t in (points, steps, out))
    offset, spread = out.mean(dim=1, keepdim=True), points - points.mean(dim=1, keepdim=True)
    rest = out - offset
    fit = (rest * spread).sum(dim=(1, 2)) / spread.square().sum(dim=(1, 2))
    c = fit if multiple is None else torch.full_like(fit, float(multiple))
    # c x + b is a gradient: leaving it out of the sum too loses nothing but its rounding.
    learnt = ((rest - c[:, None, None] * spread) * steps).sum(dim=2)
    whole = (out * steps).sum(dim=2)
    return learnt.sum(dim=1), whole.abs().sum(dim=1), learnt.abs().sum(dim=1), c


def _share(value: PerLoop, work: PerLoop) -> PerLoop:
    return torch.where(work > 0, value / torch.where(work > 0, work, 1.0), 0.0)
