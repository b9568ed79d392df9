"""(M A A^T M + s I)^-1 for some views of a tomographic scan, by a dense factorisation."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.physics import Tomography
from eiwork.physics.projection import ParallelBeam
from eiwork.physics.tomography import system_matrix

MAX_ROWS = 4096
"""Measurements up to which A A^T is written out (64 MiB in float32)."""


@functools.lru_cache(maxsize=4)
def dense_gram(
    geometry: ParallelBeam, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "measurement measurement"]:
    """A A^T of a scan as a dense matrix."""
    matrix = system_matrix(geometry)
    forward = matrix.csr(False, dtype, device).to_dense()
    return forward @ forward.t()


class ViewGram:
    """Solves with M A A^T M + s I, for the kept measurements; one Cholesky factorisation for each set of views and s.

    physics: the whole scan, at most `MAX_ROWS` measurements. mask: (batch or 1, channel, detector, view); samples with
    the same views are solved together.
    """

    def __init__(self, physics: Tomography, mask: Float[Tensor, "batch channel detector view"]) -> None:
        self._geometry = physics.geometry
        self._mask = mask[:, 0]
        same = bool((self._mask == self._mask[:1]).all())
        self._sets = [self._mask[0]] if same else list(self._mask)
        self._factors: dict[tuple[float, torch.dtype], list[Tensor]] = {}

    @staticmethod
    def fits(physics: Tomography) -> bool:
        """Whether the scan is small enough for a dense A A^T."""
        return physics.geometry.n_measurements <= MAX_ROWS

    def solve(self, r: Float[Tensor, "batch channel detector view"], shift: float | Tensor) -> Tensor:
        """(M A A^T M + shift I)^-1 r, zero outside the mask, without autograd; r is zero there."""
        kept = [views.flatten().nonzero().flatten() for views in self._sets]
        factors = self._factorised(kept, float(shift), r.dtype)
        flat = r.flatten(2)
        out = torch.zeros_like(flat)
        if len(kept) == 1:
            rows = flat[:, :, kept[0]].flatten(0, 1)
            solved = torch.cholesky_solve(rows.t(), factors[0]).t()
            out[:, :, kept[0]] = solved.reshape(*flat.shape[:2], -1)
            return out.view_as(r)
        for i, (rows_kept, factor) in enumerate(zip(kept, factors, strict=True)):
            out[i, :, rows_kept] = torch.cholesky_solve(flat[i, :, rows_kept].t(), factor).t()
        return out.view_as(r)

    def _factorised(self, kept: list[Tensor], shift: float, dtype: torch.dtype) -> list[Tensor]:
        key = (shift, dtype)
        if key not in self._factors:
            gram = dense_gram(self._geometry, dtype, self._mask.device)
            self._factors = {key: [_factor(gram, rows, shift) for rows in kept]}
        return self._factors[key]


def _factor(gram: Tensor, rows: Tensor, shift: float) -> Tensor:
    part = gram[rows][:, rows]
    part.diagonal().add_(shift)
    return torch.linalg.cholesky(part)
