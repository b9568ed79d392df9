"""Does a denoiser respect a group of transforms?"""

from dataclasses import dataclass

import torch
from deepinv.transform import Transform
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.analysis.jacobian import Image, ImageMap, inner

PerTransformed = Float[Tensor, " transformed"]


@dataclass(frozen=True)
class Equivariance:
    """Relative equivariance errors of a map, one number per transformed image (n_trans times the batch).

    error: ||D(T x) - T D(x)|| / ||T D(x)||. learnt: the same difference over ||T (D(x) - c x)||, c the best multiple: a
    multiple of the identity is equivariant to everything. round_trip: ||T^-1 T x - x|| / ||x||: what T itself loses by
    interpolation, below which an error says nothing. exact: whether T loses nothing but rounding.
    """

    error: PerTransformed
    learnt: PerTransformed
    round_trip: PerTransformed
    exact: Bool[Tensor, " transformed"]


@torch.no_grad()
def equivariance_error(
    denoiser: ImageMap, x: Image, transform: Transform, params: dict[str, Tensor] | None = None
) -> Equivariance:
    """How far D is from D(T_g x) = T_g D(x). params: those of the transform; drawn at random by default."""
    params = transform.get_params(x) if params is None else params
    out = denoiser(x)
    moved, expected = transform.transform(x, **params), transform.transform(out, **params)
    difference = _norm(denoiser(moved) - expected)
    c = (inner(out, x) / inner(x, x)).to(x).view(-1, 1, 1, 1)
    learnt = _norm(transform.transform(out - c * x, **params))
    copies = x.repeat(len(moved) // len(x), 1, 1, 1)
    round_trip = _norm(transform.inverse(moved, batchwise=False, **params) - copies) / _norm(copies)
    exact = round_trip <= 100 * torch.finfo(x.dtype).eps
    return Equivariance(difference / _norm(expected), difference / learnt, round_trip, exact)


def _norm(t: Tensor) -> Tensor:
    return t.double().flatten(1).norm(dim=1)
