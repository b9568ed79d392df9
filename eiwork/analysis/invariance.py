"""Does a denoiser respect a group of transforms?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.analysis.quadrature import inner

ImageMap = Callable[[Tensor], Tensor]
Image = Float[Tensor, "batch channel height width"]
PerTransformed = Float[Tensor, " transformed"]


@runtime_checkable
class GroupTransform(Protocol):
    """What is used of a deepinv `Transform`: T_g and its inverse for given parameters, linear in the image."""

    def get_params(self, x: Tensor) -> dict:
        """Random parameters for a batch."""

    def transform(self, x: Tensor, **params: Tensor) -> Tensor:
        """T_g x."""

    def inverse(self, x: Tensor, batchwise: bool = True, **params: Tensor) -> Tensor:
        """T_g^-1 x."""


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
    denoiser: ImageMap, x: Image, transform: GroupTransform, params: dict[str, Tensor] | None = None
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
