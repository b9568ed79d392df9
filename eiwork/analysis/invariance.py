"""Does a denoiser, a reconstruction or a prior respect a group of transforms?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.analysis.prior import ImpliedPrior
from eiwork.analysis.quadrature import inner
from eiwork.errors import InputError

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
    loss, exact = round_trip(x, transform, params)
    return Equivariance(difference / _norm(expected), difference / learnt, loss, exact)


@torch.no_grad()
def round_trip(
    x: Image, transform: GroupTransform, params: dict[str, Tensor]
) -> tuple[PerTransformed, Bool[Tensor, " transformed"]]:
    """||T^-1 T x - x|| / ||x|| of every transformed image, and whether it is rounding alone."""
    there = transform.transform(x, **params)
    copies = x.repeat(len(there) // len(x), 1, 1, 1)
    back = transform.inverse(there, batchwise=False, **params)
    loss = _norm(back - copies) / _norm(copies)
    return loss, loss <= 100 * torch.finfo(x.dtype).eps


@dataclass(frozen=True)
class ReconstructionEquivariance:
    """Equivariance of x -> f(A x), one number per transformed image.

    error: ||f(A T x) - T f(A x)|| / ||T f(A x)||. beside_error: the same difference over ||f(A x) - x||, the error of
    the reconstruction: EI training makes the first small, and a small second says how consistently f errs.
    round_trip, exact: as in `Equivariance`.
    """

    error: PerTransformed
    beside_error: PerTransformed
    round_trip: PerTransformed
    exact: Bool[Tensor, " transformed"]


@torch.no_grad()
def reconstruction_equivariance(
    model: Callable[[Tensor, LinearPhysics], Tensor],
    x: Image,
    physics: LinearPhysics,
    transform: GroupTransform,
    params: dict[str, Tensor] | None = None,
) -> ReconstructionEquivariance:
    """How far the reconstruction f of noise-free measurements is from f(A T_g x) = T_g f(A x)."""
    params = transform.get_params(x) if params is None else params
    out = model(physics.A(x), physics)
    expected = transform.transform(out, **params)
    difference = _norm(model(physics.A(transform.transform(x, **params)), physics) - expected)
    loss, exact = round_trip(x, transform, params)
    own = _norm(out - x).repeat(len(expected) // len(x))
    return ReconstructionEquivariance(difference / _norm(expected), difference / own, loss, exact)


@dataclass(frozen=True)
class PriorInvariance:
    """phi(T x) beside phi(x), one number per transformed image.

    change: phi(T x) - phi(x). relative: |change| over the standard deviation of phi between the images: what the prior
    makes of a turn, beside what it makes of another image. residual: of the preimage of T x, above which it has no
    meaning. round_trip, exact: as in `Equivariance`.
    """

    change: PerTransformed
    relative: PerTransformed
    residual: PerTransformed
    round_trip: PerTransformed
    exact: Bool[Tensor, " transformed"]


@torch.no_grad()
def prior_invariance(
    prior: ImpliedPrior, z: Image, transform: GroupTransform, params: dict[str, Tensor] | None = None
) -> PriorInvariance:
    """phi at the images x = D(z) and at T_g x, through the preimage of T_g x, sought from T_g z.

    Warns as `ImpliedPrior.preimage`. Raises InputError for a single image: its phi has no spread to compare with.
    """
    if len(z) < 2:
        raise InputError("The spread of phi needs at least two images.")
    own = prior.at_output(z)
    params = transform.get_params(z) if params is None else params
    moved = transform.transform(own.x, **params)
    solution = prior.preimage(moved, transform.transform(z, **params))
    assert isinstance(solution.value, Tensor)
    phi = own.phi.repeat(len(moved) // len(z))
    change = prior.at_output(solution.value).phi - phi
    loss, exact = round_trip(own.x, transform, params)
    return PriorInvariance(change, change.abs() / own.phi.std(), solution.residual.double(), loss, exact)


def _norm(t: Tensor) -> Tensor:
    return t.double().flatten(1).norm(dim=1)
