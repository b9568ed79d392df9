import pytest
import torch

from eiwork.physics.operator_norm import largest_eigenvalue


@pytest.mark.parametrize("size", [2, 3, 12])
def test_it_is_the_largest_eigenvalue(size):
    generator = torch.Generator().manual_seed(0)
    factor = torch.randn(size, size, dtype=torch.complex128, generator=generator)
    matrix = factor @ factor.mH
    expected = torch.linalg.eigvalsh(matrix)[-1].item()
    assert largest_eigenvalue(lambda v: matrix @ v, (size,)) == pytest.approx(expected, rel=1e-10)
