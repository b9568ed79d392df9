"""The density of the eigenvalues of M = mean over g of T_g^T A^T A T_g, by block Lanczos."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.checks import check_count
from eiwork.symmetry.stacked import StackedOperator


@dataclass(frozen=True)
class Spectrum:
    """Ritz values of M, whose eigenvalues are the squared singular values of the stacked operator.

    eigenvalues: in increasing order. weights: what each random direction has of each; rows sum to 1.
    """

    eigenvalues: Float[Tensor, " k"]
    weights: Float[Tensor, "probes k"]

    def share_above(self, threshold: float | int) -> tuple[float, float]:
        """Share of all directions whose eigenvalue exceeds the threshold, and its standard error over the probes."""
        per_probe = (self.weights * (self.eigenvalues > threshold)).sum(dim=1)
        return float(per_probe.mean()), float(per_probe.std()) / math.sqrt(len(per_probe))


def krylov_spectrum(
    operator: StackedOperator,
    image_shape: tuple[int, int, int],
    *,
    steps: int = 30,
    probes: int = 8,
    seed: int = 0,
) -> Spectrum:
    """Ritz values of M in the block Krylov space of random directions, from `steps` products with M of `probes` images.

    Block Lanczos in float64 with full reorthogonalisation (Golub and Underwood 1977). One space for all directions, of
    up to steps * probes dimensions, resolves a dense spectrum where the `steps` nodes of `quadrature.lanczos`, which
    works on each vector by itself, do not; and it finds eigenvalues of a multiplicity up to `probes` with it. The
    weights estimate the density of all (Ubaru, Chen and Saad 2017). image_shape: (channel, height, width). probes: from
    2 up.
    """
    check_count(steps, "steps", "")
    check_count(probes, "probes", "", least=2)
    n = math.prod(image_shape)

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
    return Spectrum(values, vectors[: start.shape[1]].square())


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
