"""What the tests of operators share: random tensors, and A written out as a matrix."""

import pytest
import torch

from eiwork.physics.null_space import operator_matrix

# PyTorch's own forward mode still uses torch.jit.script.
forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def dense(physics):
    """A as a float64 matrix (measurements, numbers of the image)."""
    return operator_matrix(physics, tuple(physics.img_size))


def solved(matrix, shift, b):
    """(matrix + shift I)^-1 of each flattened row of b, in the shape of b."""
    system = matrix + shift * torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.solve(system, b.flatten(1).T).T.view_as(b)


def stacked_matrix(operator, image_shape):
    """The mean over g of T_g^T A^T A T_g as a matrix."""
    n = torch.Size(image_shape).numel()
    m = operator.normal(torch.eye(n, dtype=torch.float64).view(n, *image_shape)).view(n, n)
    torch.testing.assert_close(m, m.T, rtol=0, atol=1e-6)
    return (m + m.T) / 2
