"""A sparse matrix and its transpose as products of batches of vectors, in any dtype and on any device."""

import scipy.sparse as sp
import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.sparse_tensors import csr_tensor


class SparseMap:
    """A matrix and its transpose, both stored, so that the adjoint is as fast as the forward product.

    Args:
        forward: the matrix (m, n), float64.
        transpose: its transpose (n, m).
    """

    def __init__(self, forward: sp.csr_matrix, transpose: sp.csr_matrix) -> None:
        self._scipy = {False: forward, True: transpose}
        self._csr: dict[tuple[bool, torch.dtype, torch.device], Tensor] = {}

    def csr(self, transpose: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The matrix, or its transpose, as a CSR tensor."""
        key = (transpose, dtype, device)
        if key not in self._csr:
            self._csr[key] = csr_tensor(self._scipy[transpose], dtype, device)
        return self._csr[key]

    def multiply(self, v: Float[Tensor, "batch n"], transpose: bool) -> Float[Tensor, "batch m"]:
        """A v (or A^T v) of every row of `v`, without autograd."""
        matrix = self.csr(transpose, v.dtype, v.device)
        if v.shape[0] == 1:
            return torch.mv(matrix, v[0])[None]
        return torch.mm(matrix, v.t()).t().contiguous()
