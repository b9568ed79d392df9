"""Eigenvalues of M = mean over g of T_g^T A^T A T_g: exactly for small images, by block Lanczos for large ones."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.checks import check_number
from eiwork.symmetry.stacked import StackedOperator


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of M, which are the squared singular values of the stacked operator [A T_g]_g / sqrt(n).

    eigenvalues: (k,) in increasing order, all of them or Ritz values. residuals: (k,), each Ritz value has an
    eigenvalue of M within this distance (0 for an exact spectrum, up to rounding). weights: (probes, k), what a
    random direction has of each; rows sum to 1. size: numbers per image.
    """

    eigenvalues: Float[Tensor, " k"]
    residuals: Float[Tensor, " k"]
    weights: Float[Tensor, "probes k"]
    size: int

    @property
    def is_exact(self) -> bool:
        """Whether these are all eigenvalues of M, with their multiplicities."""
        return len(self.eigenvalues) == self.size

    @property
    def singular_values(self) -> Float[Tensor, " k"]:
        """Of [A T_g]_g / sqrt(n), in decreasing order."""
        return self.eigenvalues.clamp(min=0).sqrt().flip(0)

    def share_above(self, threshold: float | int) -> tuple[float, float]:
        """Share of all directions whose eigenvalue exceeds the threshold, and its standard error over the probes.

        Exact spectra have a standard error of 0.
        """
        per_probe = (self.weights * (self.eigenvalues > threshold)).sum(dim=1)
        if self.is_exact:
            return float(per_probe.mean()), 0.0
        return float(per_probe.mean()), float(per_probe.std()) / math.sqrt(len(per_probe))

    def rank(self, rtol: float = 1e-10) -> tuple[float, float]:
        """Number of eigenvalues above `rtol` times the largest, and its standard error."""
        share, error = self.share_above(rtol * float(self.eigenvalues[-1]))
        return share * self.size, error * self.size

    @property
    def condition_number(self) -> float:
        """Largest over smallest singular value of the stacked operator; from Ritz values a lower bound of it.

        Infinite where the smallest eigenvalue is zero to rounding.
        """
        low, high = float(self.eigenvalues[0]), float(self.eigenvalues[-1])
        return math.inf if low <= 1e-14 * high else math.sqrt(high / low)


def dense_spectrum(operator: StackedOperator, image_shape: tuple[int, int, int]) -> Spectrum:
    """All eigenvalues, from M as a dense matrix.

    Raises:
        InputError: images with more numbers than `stacked.MAX_PIXELS`.
    """
    values = torch.linalg.eigvalsh(operator.matrix(image_shape))
    n = len(values)
    return Spectrum(values, torch.zeros(n).to(values), torch.full((1, n), 1 / n, dtype=values.dtype), n)


def krylov_spectrum(
    operator: StackedOperator,
    image_shape: tuple[int, int, int],
    *,
    steps: int = 30,
    probes: int = 8,
    seed: int = 0,
) -> Spectrum:
    """Ritz values of M in the block Krylov space of random directions, from `steps` products with M of `probes` images.

    Block Lanczos in float64 with full reorthogonalisation (Golub and Underwood 1977), so that eigenvalues of a
    multiplicity up to `probes` are found with it. Where the Krylov space is exhausted the spectrum is exact. Extreme
    eigenvalues converge first; the weights estimate the density of all (stochastic Lanczos quadrature, Ubaru, Chen and
    Saad 2017), with a standard error over the probes.

    Args:
        operator: M.
        image_shape: (channel, height, width).
        steps: products with M.
        probes: random directions, from 2 up.
        seed: of the directions.

    Raises:
        InputError: steps below 1 or probes below 2.
    """
    check_number(steps, "steps", lambda v: v >= 1, "a whole number from 1 up", integer=True)
    check_number(probes, "probes", lambda v: v >= 2, "a whole number from 2 up", integer=True)
    n = image_shape[0] * image_shape[1] * image_shape[2]

    def product(block: Tensor) -> Tensor:
        return operator.normal(block.T.reshape(-1, *image_shape)).flatten(1).T

    start = torch.randn(n, min(probes, n), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    block = torch.linalg.qr(start)[0]
    basis, images = block, product(block)
    for _ in range(steps - 1):
        block = _new_directions(images[:, -block.shape[1] :], basis)
        if block.shape[1] == 0:
            break
        basis = torch.cat([basis, block], dim=1)
        images = torch.cat([images, product(block)], dim=1)
    small = basis.T @ images
    values, vectors = torch.linalg.eigh((small + small.T) / 2)
    residuals = (images @ vectors - basis @ vectors * values).norm(dim=0)
    weights = vectors[: start.shape[1]].square()
    return Spectrum(values, residuals, weights, n)


def _new_directions(candidates: Tensor, basis: Tensor) -> Tensor:
    """Orthonormal basis of what the candidates add to a basis; fewer columns where they add less."""
    scale = candidates.norm(dim=0).max()
    rest = candidates
    for _ in range(2):  # twice is enough (Giraud, Langou and Rozloznik 2005)
        rest = rest - basis @ (basis.T @ rest)
    left, sizes, _ = torch.linalg.svd(rest, full_matrices=False)
    kept = left[:, sizes > 1e-11 * scale][:, : basis.shape[0] - basis.shape[1]]
    # What cancellation left of the old directions, in directions that are barely new.
    kept = kept - basis @ (basis.T @ kept)
    return torch.linalg.qr(kept)[0]
