import pytest
import torch

from eiwork.errors import ConvergenceWarning
from eiwork.physics.minimum_norm import minimum_norm_solution


@pytest.fixture
def matrix():
    """5 x 8 of rank 4: neither injective nor surjective."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    return left @ torch.randn(4, 8, dtype=torch.float64, generator=generator)


def solve(matrix, y, tol=1e-10, max_iter=100):
    return minimum_norm_solution(lambda x: x @ matrix.t(), lambda v: v @ matrix, y, tol=tol, max_iter=max_iter)


def test_it_is_the_pseudo_inverse_even_for_inconsistent_data(matrix):
    y = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(solve(matrix, y), y @ torch.linalg.pinv(matrix, rtol=1e-10).t())


def test_each_sample_has_its_own_scale(matrix):
    y = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    tiny = torch.stack([y[0], 1e-20 * y[1]])
    torch.testing.assert_close(solve(matrix, tiny)[1] * 1e20, solve(matrix, y)[1], rtol=1e-7, atol=1e-9)


def test_the_tolerance_matters_and_a_missed_one_warns(matrix):
    y = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(solve(matrix, y, tol=0.3), solve(matrix, y), rtol=1e-4)
    with pytest.warns(ConvergenceWarning, match="normal residual"):
        solve(matrix, y, max_iter=1)


def test_single_precision_goes_in_and_out(matrix):
    y = torch.ones(1, 5)
    x = solve(matrix, y)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.double(), solve(matrix, y.double()), rtol=1e-6, atol=1e-6)
