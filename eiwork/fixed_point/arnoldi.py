"""Batched Arnoldi process: an orthonormal basis of the Krylov space of each sample."""

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.state import Flat, FlatMap, norms
from eiwork.fixed_point.vectors import Vectors


def orthogonalise_(basis: Vectors, w: Flat) -> Float[Tensor, "batch k"]:
    """Make w orthogonal to an orthonormal basis, in place, and return its coefficients on the basis.

    Classical Gram-Schmidt, twice: as stable as the modified form, and two batched products instead of k.
    """
    first = basis.dots(w)
    second = basis.dots(basis.subtract_(w, first))
    basis.subtract_(w, second)
    return first + second


def most_amplified(product: FlatMap, start: Flat, size: int) -> Flat:
    """The unit vector v of the Krylov space span(start, M start, ...) of dimension `size` with the largest ||M v||.

    Needs `size` products with M. A plain power iteration needs many times more when the dominant direction
    hides behind a cluster of almost equal eigenvalues, as the null space of A makes one.
    """
    tiny = torch.finfo(start.dtype).tiny
    basis = Vectors().append(start, 1 / norms(start).clamp(min=tiny).to(start.dtype)[:, None], keep=size)
    hessenberg = start.new_zeros(start.shape[0], size + 1, size)
    for k in range(size):
        w = product(basis.last).clone()
        column = orthogonalise_(basis, w)
        height = norms(w).to(w.dtype)
        hessenberg[:, : k + 1, k], hessenberg[:, k + 1, k] = column, height
        if k + 1 < size:
            basis = basis.append(w, 1 / height.clamp(min=tiny)[:, None], keep=size)
    weights = torch.linalg.svd(hessenberg.double()).Vh[:, 0].to(start.dtype)
    return basis.combine(weights)
