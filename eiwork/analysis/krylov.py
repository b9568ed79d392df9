"""Extreme eigenvalues of symmetric and antisymmetric maps, by Krylov spaces with full reorthogonalisation."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point.arnoldi import orthogonalise_
from eiwork.fixed_point.state import Flat, Packing, norms
from eiwork.fixed_point.vectors import Vectors

Vector = Float[Tensor, " batch"]
Image = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True)
class ExtremeValues:
    """The ends of a spectrum, in float64, per image.

    smallest, largest: Ritz values: never beyond the true ends. For an antisymmetric map, whose eigenvalues are +- i s,
    the ends of +- s. residual_*: ||M v - theta v|| of the unit Ritz vector: an eigenvalue lies this close to theta.
    smallest_vector, largest_vector: unit Ritz vectors; for an antisymmetric map, real ones, M largest_vector =
    largest * smallest_vector.
    size: dimension of the Krylov space.
    """

    smallest: Vector
    largest: Vector
    residual_smallest: Vector
    residual_largest: Vector
    smallest_vector: Image
    largest_vector: Image
    size: int


def extreme_ritz_values(
    product: Callable[[Tensor], Tensor],
    random: Callable[[torch.Generator], Tensor],
    generator: torch.Generator,
    *,
    tol: float = 1e-2,
    max_size: int = 60,
    skew: bool = False,
    ends: Literal["both", "largest"] = "both",
    floor: float = 0.0,
) -> ExtremeValues:
    """The ends of the spectrum of a symmetric (or, with `skew`, antisymmetric) map of each image of a batch.

    Lanczos (1950) with every vector orthogonalised twice against all others, so no spurious copies arise. Where a
    Krylov space is complete before its time, it goes on with a new random vector, so multiple eigenvalues are no
    obstacle.

    product: v -> M v. random: draws vectors of the space that M acts on. tol: stop when the residuals of the wanted
    `ends` are below tol * max |theta| for every image, or below `floor`. max_size: largest dimension. Warns
    (ConvergenceWarning) where tol is not met, raises ConvergenceError for a product that is not finite and InputError
    for settings out of range.
    """
    if max_size < 1 or not tol > 0:
        raise InputError(f"tol={tol} must be positive and max_size={max_size} at least 1.")
    run = _Lanczos(product, random, generator, skew)
    size = min(max_size, run.start[0].numel())
    for k in range(size):
        run.expand(k)
        last = k + 1 == size or not bool(run.open.any())
        if last or (k + 1) % 5 == 0:
            found = run.extremes(k + 1)
            scale = torch.maximum(found.smallest.abs(), found.largest.abs())
            residual = found.residual_largest
            if ends == "both":
                residual = torch.maximum(found.residual_smallest, residual)
            met = residual <= (tol * scale).clamp(min=floor)
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

    def __init__(
        self,
        product: Callable[[Tensor], Tensor],
        random: Callable[[torch.Generator], Tensor],
        generator: torch.Generator,
        skew: bool,
    ) -> None:
        start = random(generator)
        self.packing = Packing.of(start)
        self.start = self.packing.pack(start)
        self.product, self.random, self.generator = product, random, generator
        self.sign = -1.0 if skew else 1.0
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
        image = self.product(self._as_image(self.basis.last))
        w = self.packing.pack(image).clone()
        if not bool(w.isfinite().all()):
            raise ConvergenceError("A product with the Jacobian is not finite: check the parameters and images.")
        before = norms(w)
        self.columns.append(orthogonalise_(self.basis, w).double().cpu())
        self._next, self._height = w, norms(w)
        self._restart(before)

    def _restart(self, before: Vector) -> None:
        """A new random direction for the samples whose Krylov space is complete, unless it fills their whole space."""
        eps = torch.finfo(self.start.dtype).eps
        scale = torch.maximum(before, self.scale.to(before))
        complete = self._height <= 100 * eps * scale
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

    @property
    def scale(self) -> Vector:
        """The largest entry of V^T M V so far."""
        return torch.stack([column.abs().amax(dim=1) for column in self.columns]).amax(dim=0)

    def extremes(self, k: int) -> ExtremeValues:
        """Ritz values and vectors at both ends."""
        rows = [torch.nn.functional.pad(column, (0, k - column.shape[1])) for column in self.columns]
        upper = torch.stack(rows, dim=2)
        valid = torch.stack(self.valid, dim=1).cpu()
        # A direction that does not exist gets the Rayleigh quotient of the first: never an end of the spectrum.
        diagonal = torch.where(valid, torch.diagonal(upper, dim1=1, dim2=2), upper[:, :1, 0])
        strict = torch.triu(upper, 1)
        if self.sign < 0:
            values, vectors = torch.linalg.eigh(1j * (strict - strict.mT))
        else:
            values, vectors = torch.linalg.eigh(strict + strict.mT + torch.diag_embed(diagonal))
        residual = vectors[:, -1].abs() * self.residual[:, None]
        first, last = vectors[:, :, 0], vectors[:, :, -1]
        if self.sign < 0:
            # The two complex vectors are conjugates: M a = s b and M b = -s a for the parts of a + i b.
            first, last = last.imag, last.real
        return ExtremeValues(
            values[:, 0],
            values[:, -1],
            residual[:, 0],
            residual[:, -1],
            self._vector(first),
            self._vector(last),
            k,
        )

    def _vector(self, weights: Tensor) -> Image:
        vector = self.basis.combine(weights.to(self.start))
        length = norms(vector)
        vector = vector / torch.where(length > 0, length, 1.0).to(vector)[:, None]
        return self._as_image(vector)

    def _as_image(self, flat: Flat) -> Image:
        image = self.packing.unpack(flat)
        assert isinstance(image, Tensor)
        return image
