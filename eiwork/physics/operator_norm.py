"""The norm of an operator that is known by its products only."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor


def largest_eigenvalue(h: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> float:
    """Largest eigenvalue of a Hermitian positive map of complex128 tensors, to a relative 1e-12, by Lanczos.

    Args:
        h: the map.
        shape: shape of the tensors that it takes.
    """
    n = int(np.prod(shape))

    def product(v: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return h(torch.from_numpy(v.astype(np.complex128)).view(shape)).numpy().ravel()

    if n <= 3:
        matrix = np.stack([product(row) for row in np.eye(n)])
        return float(np.linalg.eigvalsh(matrix)[-1])
    # A fixed start makes the norm, and so every number after it, the same in each run.
    start = np.random.default_rng(0).standard_normal(n).astype(np.complex128)
    operator = LinearOperator((n, n), matvec=product, dtype=np.complex128)
    return float(eigsh(operator, k=1, which="LA", v0=start, tol=1e-12, return_eigenvectors=False)[0])
