"""The spectrum of a Jacobian: what a proximal map requires of it, and how far it stretches."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.jacobian import Jacobian
from eiwork.analysis.krylov import ExtremeValues, extreme_ritz_values
from eiwork.analysis.quadrature import inner

Vector = Float[Tensor, " batch"]
Image = Float[Tensor, "batch channel height width"]


def symmetric_spectrum(
    jacobian: Jacobian, *, generator: torch.Generator, tol: float = 1e-2, max_size: int = 60
) -> ExtremeValues:
    """The smallest and the largest eigenvalue of (J + J^T) / 2 of each image, with residuals and eigenvectors.

    A differentiable D whose J is symmetric everywhere is the proximal map of a function exactly if these are >= 0
    everywhere (Gribonval & Nikolova, arXiv 1807.04014), of a convex one if they are also <= 1 (Moreau, 1965). With
    eigenvalues in [0, L], L > 1, phi(x) + (1 - 1 / L) ||x||^2 / 2 is convex: the prior is weakly convex. Options as in
    `extreme_ritz_values`.
    """
    if jacobian.projector is None:
        return extreme_ritz_values(jacobian.symmetric, jacobian.random, generator, tol=tol, max_size=max_size)
    # Rounding leaks out of a subspace, where P S P has the eigenvalue 0, maybe beyond both ends: give it one between.
    start = jacobian.random(generator)
    between = (inner(start, jacobian.symmetric(start)) / inner(start, start)).to(start).view(-1, 1, 1, 1)

    def filled(v: Image) -> Image:
        return jacobian.symmetric(v) + between * (v - jacobian.identity(v))

    return extreme_ritz_values(filled, jacobian.random, generator, tol=tol, max_size=max_size)


@dataclass(frozen=True)
class LargestStretch:
    """The spectral norm of a Jacobian per image, from below, with the residual of J^T J and the direction.

    norm: ||J||_2, the local Lipschitz constant. residual: distance of norm to a true singular value, at most.
    direction: the unit image that J stretches most.
    """

    norm: Vector
    residual: Vector
    direction: Image


def largest_stretch(
    jacobian: Jacobian, *, generator: torch.Generator, tol: float = 1e-2, max_size: int = 60
) -> LargestStretch:
    """||J||_2 by Lanczos on J^T J; options as in `extreme_ritz_values`."""
    found = extreme_ritz_values(
        lambda v: jacobian.transpose(jacobian.apply(v)),
        jacobian.random,
        generator,
        tol=tol,
        max_size=max_size,
        ends="largest",
    )
    norm = found.largest.clamp(min=0).sqrt()
    # |theta - sigma^2| <= r gives |sqrt(theta) - sigma| <= r / sqrt(theta).
    residual = found.residual_largest / torch.where(norm > 0, norm, 1.0)
    return LargestStretch(norm, residual, found.largest_vector)
