"""The one Lanczos process, and how much of an image lies in which eigendirections of a symmetric operator."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LinearMap = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Quadrature:
    """Gauss quadrature of the spectral measure of H at each vector v: v^T f(H) v is about sum of weights * f(nodes).

    diagonal: (batch, k), off_diagonal: (batch, k - 1), of the Lanczos matrix. next_off_diagonal: (batch,), zero where
    the quadrature is exact. squared_norm: (batch,) of v. Source: Golub and Meurant (2010), chapters 6 and 7.
    """

    diagonal: Float[Tensor, "batch k"]
    off_diagonal: Float[Tensor, "batch k_less_1"]
    next_off_diagonal: Float[Tensor, " batch"]
    squared_norm: Float[Tensor, " batch"]

    def nodes_and_weights(self) -> tuple[Float[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """The Ritz values and the energy of v at each; the weights of a vector sum to its squared norm."""
        return _gauss(self.diagonal, self.off_diagonal, self.squared_norm)

    def inverse_bounds(self, shift: float) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Lower and upper bound of v^T (H + shift I)^-1 v, for H with eigenvalues >= 0, up to rounding.

        Gauss gives the lower one, Gauss-Radau with a node at the lower end of the spectrum the upper one, because the
        derivatives of 1 / (x + shift) alternate in sign.
        """
        nodes, weights = self.nodes_and_weights()
        lower = (weights / (nodes.clamp(min=0) + shift)).sum(dim=1)
        # A little below zero, so that the equation for the last entry stays solvable when zero is an eigenvalue.
        end = -1e-3 * shift
        matrix = tridiagonal(self.diagonal - end, self.off_diagonal)
        last = torch.zeros_like(self.diagonal)
        last[:, -1] = self.next_off_diagonal.square()
        correction = torch.linalg.solve(matrix, last)[:, -1]
        diagonal = torch.cat([self.diagonal, (end + correction)[:, None]], dim=1)
        off = torch.cat([self.off_diagonal, self.next_off_diagonal[:, None]], dim=1)
        nodes, weights = _gauss(diagonal, off, self.squared_norm)
        upper = (weights / (nodes.clamp(min=end) + shift)).sum(dim=1)
        return lower, torch.where(self.next_off_diagonal > 0, upper, lower)


def lanczos(h: LinearMap, v: Tensor, steps: int, enough: Callable[[Quadrature], bool] | None = None) -> Quadrature:
    """Lanczos from each vector of a batch, in float64 with full reorthogonalisation.

    h: a symmetric map on batches, acting on each sample by itself. v: (batch, ...) vectors. steps: products with h at
    most; fewer where the Krylov spaces of all vectors are exhausted. enough: looks at the quadrature after every step
    and says whether to stop.
    """
    flat = v.double().flatten(1)
    norm = flat.norm(dim=1)
    q = flat / torch.where(norm > 0, norm, 1)[:, None]
    basis: list[Tensor] = []
    diagonal: list[Tensor] = []
    off: list[Tensor] = []
    scale = torch.zeros_like(norm)
    for _ in range(min(steps, q.shape[1])):
        basis.append(q)
        w = h(q.view(v.shape)).flatten(1)
        diagonal.append((q * w).sum(dim=1))
        scale = torch.maximum(scale, w.norm(dim=1))
        known = torch.stack(basis, dim=1)
        for _ in range(2):  # twice is enough (Giraud, Langou and Rozloznik 2005)
            w = w - torch.einsum("bk,bkn->bn", torch.einsum("bkn,bn->bk", known, w), known)
        size = w.norm(dim=1)
        # An exhausted Krylov space goes on with zeros: its further nodes get no weight.
        size = torch.where(size > 1e-12 * scale, size, torch.zeros_like(size))
        q = w / torch.where(size > 0, size, 1)[:, None] * (size > 0)[:, None]
        off.append(size)
        if not bool((size > 0).any()):
            break
        if enough is not None and enough(_quadrature(diagonal, off, norm)):
            break
    return _quadrature(diagonal, off, norm)


def _quadrature(diagonal: list[Tensor], off: list[Tensor], norm: Tensor) -> Quadrature:
    between = torch.stack(off[:-1], dim=1) if len(off) > 1 else norm.new_zeros(len(norm), 0)
    return Quadrature(torch.stack(diagonal, dim=1), between, off[-1], norm.square())


def tridiagonal(diagonal: Tensor, off: Tensor) -> Tensor:
    """Symmetric matrices (batch, k, k) of their diagonals (batch, k) and (batch, k - 1)."""
    return torch.diag_embed(diagonal) + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)


def _gauss(diagonal: Tensor, off: Tensor, squared_norm: Tensor) -> tuple[Tensor, Tensor]:
    nodes, vectors = torch.linalg.eigh(tridiagonal(diagonal, off))
    return nodes, vectors[:, 0].square() * squared_norm[:, None]
