"""Batched Arnoldi process: an orthonormal basis of the Krylov space of each sample."""

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.state import Flat, FlatMap, norms


def orthogonalise(basis: Float[Tensor, "batch k n"], w: Flat) -> tuple[Float[Tensor, "batch k"], Flat]:
    """Split w into coefficients on an orthonormal basis and a remainder orthogonal to it.

    Classical Gram-Schmidt, twice: as stable as the modified form, and two batched products instead of k.
    """
    first = torch.einsum("bkn,bn->bk", basis, w)
    w = w - torch.einsum("bk,bkn->bn", first, basis)
    second = torch.einsum("bkn,bn->bk", basis, w)
    return first + second, w - torch.einsum("bk,bkn->bn", second, basis)


def most_amplified(product: FlatMap, start: Flat, size: int) -> Flat:
    """The unit vector v of the Krylov space span(start, M start, ...) of dimension `size` with the largest ||M v||.

    Needs `size` products with M. A plain power iteration needs many times more when the dominant direction
    hides behind a cluster of almost equal eigenvalues, as the null space of A makes one.
    """
    tiny = torch.finfo(start.dtype).tiny
    basis = [start / norms(start).clamp(min=tiny).to(start.dtype)[:, None]]
    hessenberg = start.new_zeros(start.shape[0], size + 1, size)
    for k in range(size):
        column, w = orthogonalise(torch.stack(basis, dim=1), product(basis[k]))
        height = norms(w).to(w.dtype)
        hessenberg[:, : k + 1, k], hessenberg[:, k + 1, k] = column, height
        basis.append(w / height.clamp(min=tiny)[:, None])
    weights = torch.linalg.svd(hessenberg.double()).Vh[:, 0].to(start.dtype)
    return torch.einsum("bk,bkn->bn", weights, torch.stack(basis[:size], dim=1))
