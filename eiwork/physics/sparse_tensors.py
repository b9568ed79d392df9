"""Sparse matrices of SciPy as PyTorch tensors."""

import warnings

import scipy.sparse as sp
import torch
from torch import Tensor


def csr_tensor(matrix: sp.csr_matrix, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix as a CSR tensor of a dtype on a device."""
    with warnings.catch_warnings():
        # PyTorch calls its CSR layout "beta" once per process; the products used here are tested.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr),
            torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.data).to(dtype),
            size=matrix.shape,
            check_invariants=True,
        ).to(device)
