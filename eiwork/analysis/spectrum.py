"""The spectrum of a Jacobian, by Krylov spaces: what a proximal map requires of it, and how far it stretches."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from eiwork.analysis.jacobian import Image, ImageMap, Jacobian, Vector, inner
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.symmetry.quadrature import Quadrature, lanczos, tridiagonal


@dataclass(frozen=True)
class ExtremeValues:
    """The ends of a spectrum, in float64, per image.

    smallest, largest: Ritz values, never beyond the true ends. residual_*: ||M v - theta v||: an eigenvalue lies that
    close to theta, which need not be the last one. size: of the Krylov space.
    """

    smallest: Vector
    largest: Vector
    residual_smallest: Vector
    residual_largest: Vector
    size: int


def symmetric_spectrum(
    jacobian: Jacobian, *, generator: torch.Generator, tol: float = 1e-2, max_size: int = 60
) -> ExtremeValues:
    """The smallest and the largest eigenvalue of (J + J^T) / 2 of each image, with residuals.

    A differentiable D whose J is symmetric everywhere is the proximal map of a function exactly if these are >= 0
    everywhere (Gribonval & Nikolova, arXiv 1807.04014), of a convex one if they are also <= 1 (Moreau, 1965). With
    eigenvalues in [0, L], L > 1, phi(x) + (1 - 1 / L) ||x||^2 / 2 is convex: the prior is weakly convex. Options as in
    `extreme_ritz_values`.
    """
    if jacobian.projector is None:
        return extreme_ritz_values(jacobian.symmetric, jacobian.random(generator), tol=tol, max_size=max_size)
    # Rounding leaks out of a subspace, where P S P has the eigenvalue 0, maybe beyond both ends: give it one between.
    start = jacobian.random(generator)
    between = (inner(start, jacobian.symmetric(start)) / inner(start, start)).to(start).view(-1, 1, 1, 1)

    def filled(v: Image) -> Image:
        return jacobian.symmetric(v) + between * (v - jacobian.identity(v))

    return extreme_ritz_values(filled, jacobian.random(generator), tol=tol, max_size=max_size)


def largest_stretch(
    jacobian: Jacobian, *, generator: torch.Generator, tol: float = 1e-2, max_size: int = 60
) -> tuple[Vector, Vector]:
    """||J||_2 per image, the local Lipschitz constant, from below, and its distance to a singular value.

    By Lanczos on J^T J; options as in `extreme_ritz_values`.
    """

    def product(v: Image) -> Image:
        return jacobian.transpose(jacobian.apply(v))

    found = extreme_ritz_values(product, jacobian.random(generator), tol=tol, max_size=max_size)
    norm = found.largest.clamp(min=0).sqrt()
    # |theta - sigma^2| <= r gives |sqrt(theta) - sigma| <= r / sqrt(theta).
    return norm, found.residual_largest / torch.where(norm > 0, norm, 1.0)


def extreme_ritz_values(product: ImageMap, start: Image, *, tol: float = 1e-2, max_size: int = 60) -> ExtremeValues:
    """The ends of the spectrum of a symmetric map of each image of a batch, by `lanczos` from random images.

    A multiple eigenvalue is found as a simple one is: a random start has a part in each of its spaces. product: v -> M
    v. tol: stop when the residuals of both ends are below tol * max |theta| for every image. max_size: largest
    dimension. Warns (ConvergenceWarning) where tol is not met, raises ConvergenceError for a product that is not finite
    and InputError for settings out of range.
    """
    if max_size < 1 or not tol > 0:
        raise InputError(f"tol={tol} must be positive and max_size={max_size} at least 1.")

    def checked(v: Tensor) -> Tensor:
        out = product(v.to(start))
        if not bool(out.isfinite().all()):
            raise ConvergenceError("A product with the Jacobian is not finite: check the parameters and images.")
        return out.double()

    def missing(found: ExtremeValues) -> Vector:
        scale = torch.maximum(found.smallest.abs(), found.largest.abs())
        residual = torch.maximum(found.residual_smallest, found.residual_largest)
        return torch.where(residual > 0, residual / scale.clamp(min=1e-300), 0.0)

    def enough(quadrature: Quadrature) -> bool:
        return quadrature.diagonal.shape[1] % 5 == 0 and bool((missing(_ends(quadrature)) <= tol).all())

    found = _ends(lanczos(checked, start, max_size, enough))
    if bool((missing(found) > tol).any()):
        warnings.warn(
            f"Extreme eigenvalues stopped at a Krylov space of dimension {found.size} with a residual of "
            f"{float(missing(found).max()):.1e} of the largest, above tol={tol:.1e}: the spectrum is dense at its "
            "ends. The values are bounds from within; raise max_size or tol.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return found


def _ends(quadrature: Quadrature) -> ExtremeValues:
    diagonal, off = quadrature.diagonal, quadrature.off_diagonal
    # Where a Krylov space was complete before the others, what follows gets the Rayleigh quotient of the start: never
    # an end of the spectrum.
    going = torch.cat([torch.ones_like(diagonal[:, :1]), (off > 0).to(off)], dim=1).cumprod(dim=1) > 0
    filled = torch.where(going, diagonal, diagonal[:, :1])
    values, vectors = torch.linalg.eigh(tridiagonal(filled, off))
    residual = vectors[:, -1].abs() * quadrature.next_off_diagonal[:, None]
    return ExtremeValues(values[:, 0], values[:, -1], residual[:, 0], residual[:, -1], diagonal.shape[1])
