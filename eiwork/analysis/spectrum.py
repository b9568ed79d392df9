"""The spectrum of a Jacobian, by Krylov spaces: what a proximal map requires of it, and how far it stretches."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from eiwork.analysis.jacobian import Image, ImageMap, Jacobian, Vector, inner
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point.state import Flat, Packing, norms
from eiwork.fixed_point.vectors import Vectors, orthogonalise_

Random = Callable[[torch.Generator], Tensor]


@dataclass(frozen=True)
class ExtremeValues:
    """The ends of a spectrum, in float64, per image.

    smallest, largest: Ritz values, never beyond the true ends, and their unit vectors. residual_*: ||M v - theta v||:
    an eigenvalue lies that close to theta. size: of the Krylov space.
    """

    smallest: Vector
    largest: Vector
    residual_smallest: Vector
    residual_largest: Vector
    smallest_vector: Image
    largest_vector: Image
    size: int


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


def largest_stretch(
    jacobian: Jacobian, *, generator: torch.Generator, tol: float = 1e-2, max_size: int = 60
) -> tuple[Vector, Vector]:
    """||J||_2 per image, the local Lipschitz constant, from below, and its distance to a singular value.

    By Lanczos on J^T J; options as in `extreme_ritz_values`.
    """

    def product(v: Image) -> Image:
        return jacobian.transpose(jacobian.apply(v))

    found = extreme_ritz_values(product, jacobian.random, generator, tol=tol, max_size=max_size)
    norm = found.largest.clamp(min=0).sqrt()
    # |theta - sigma^2| <= r gives |sqrt(theta) - sigma| <= r / sqrt(theta).
    return norm, found.residual_largest / torch.where(norm > 0, norm, 1.0)


def extreme_ritz_values(
    product: ImageMap, random: Random, generator: torch.Generator, *, tol: float = 1e-2, max_size: int = 60
) -> ExtremeValues:
    """The ends of the spectrum of a symmetric map of each image of a batch, by Lanczos (1950).

    Every vector is orthogonalised twice against all others, so no spurious copies arise. Where a Krylov space is
    complete before its time, it goes on with a new random vector, so multiple eigenvalues are no obstacle.

    product: v -> M v. random: draws vectors of the space that M acts on. tol: stop when the residuals of both ends are
    below tol * max |theta| for every image. max_size: largest dimension. Warns (ConvergenceWarning) where tol is not
    met, raises ConvergenceError for a product that is not finite and InputError for settings out of range.
    """
    if max_size < 1 or not tol > 0:
        raise InputError(f"tol={tol} must be positive and max_size={max_size} at least 1.")
    run = _Lanczos(product, random, generator)
    size = min(max_size, run.start[0].numel())
    for k in range(size):
        run.expand(k)
        last = k + 1 == size or not bool(run.open.any())
        if last or (k + 1) % 5 == 0:
            found = run.extremes(k + 1)
            scale = torch.maximum(found.smallest.abs(), found.largest.abs())
            residual = torch.maximum(found.residual_smallest, found.residual_largest)
            met = residual <= tol * scale
            if last or bool(met.all()):
                break
    if not bool(met.all()):
        warnings.warn(
            f"Extreme eigenvalues stopped at a Krylov space of dimension {found.size} with a residual of "
            f"{float((residual / scale).max()):.1e} of the largest, above tol={tol:.1e}: the spectrum is dense at its "
            "ends. The values are bounds from within; raise max_size or tol.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return found


class _Lanczos:
    """A growing orthonormal basis V of each sample's Krylov space, and V^T M V."""

    def __init__(self, product: ImageMap, random: Random, generator: torch.Generator) -> None:
        start = random(generator)
        self.packing = Packing.of(start)
        self.start = self.packing.pack(start)
        self.product, self.random, self.generator = product, random, generator
        self.basis = Vectors()
        self.columns: list[Tensor] = []
        self.open: Bool[Tensor, " batch"] = norms(self.start) > 0
        self.valid: list[Tensor] = []
        self._next, self._height = self.start, norms(self.start)

    def expand(self, k: int) -> None:
        """One more vector, one more product."""
        unit = torch.where(self.open, 1 / torch.where(self.open, self._height, 1.0), 0.0)
        self.valid.append(self.open)
        self.basis = self.basis.append(self._next, unit.to(self._next)[:, None], keep=k + 1, size=16)
        w = self.packing.pack(self.product(self._as_image(self.basis.last))).clone()
        if not bool(w.isfinite().all()):
            raise ConvergenceError("A product with the Jacobian is not finite: check the parameters and images.")
        before = norms(w)
        self.columns.append(orthogonalise_(self.basis, w).double().cpu())
        self._next, self._height = w, norms(w)
        self._restart(before)

    def _restart(self, before: Vector) -> None:
        """A new random direction for the samples whose Krylov space is complete, unless it fills their whole space."""
        eps = torch.finfo(self.start.dtype).eps
        largest = torch.stack([column.abs().amax(dim=1) for column in self.columns]).amax(dim=0)
        complete = self._height <= 100 * eps * torch.maximum(before, largest.to(before))
        self.residual = torch.where(complete, 0.0, self._height).double().cpu()
        if not bool((complete & self.open).any()):
            return
        fresh = self.packing.pack(self.random(self.generator))
        length = norms(fresh)
        orthogonalise_(self.basis, fresh)
        left = norms(fresh)
        self.open = self.open & (~complete | (left > eps**0.5 * length))
        self._next = torch.where(complete[:, None], fresh, self._next)
        self._height = torch.where(complete, left, self._height)

    def extremes(self, k: int) -> ExtremeValues:
        """Ritz values and vectors at both ends."""
        rows = [torch.nn.functional.pad(column, (0, k - column.shape[1])) for column in self.columns]
        upper = torch.stack(rows, dim=2)
        valid = torch.stack(self.valid, dim=1).cpu()
        # A direction that does not exist gets the Rayleigh quotient of the first: never an end of the spectrum.
        diagonal = torch.where(valid, torch.diagonal(upper, dim1=1, dim2=2), upper[:, :1, 0])
        strict = torch.triu(upper, 1)
        values, vectors = torch.linalg.eigh(strict + strict.mT + torch.diag_embed(diagonal))
        residual = vectors[:, -1].abs() * self.residual[:, None]
        first, last = (self._vector(vectors[:, :, end]) for end in (0, -1))
        return ExtremeValues(values[:, 0], values[:, -1], residual[:, 0], residual[:, -1], first, last, k)

    def _vector(self, weights: Tensor) -> Image:
        vector = self.basis.combine(weights.to(self.start))
        length = norms(vector)
        return self._as_image(vector / torch.where(length > 0, length, 1.0).to(vector)[:, None])

    def _as_image(self, flat: Flat) -> Image:
        image = self.packing.unpack(flat)
        assert isinstance(image, Tensor)
        return image
