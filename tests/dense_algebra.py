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
