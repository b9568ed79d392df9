"""The Krylov search against dense singular values."""

import torch

from eiwork.fixed_point.arnoldi import most_amplified, orthogonalise_
from eiwork.fixed_point.vectors import Vectors


def test_orthogonalise_splits_exactly():
    vectors = torch.linalg.qr(torch.randn(2, 9, 4, dtype=torch.float64))[0].transpose(1, 2)
    w = torch.randn(2, 9, dtype=torch.float64)
    basis = Vectors()
    for v in vectors.unbind(1):
        basis = basis.append(v, keep=4, size=3)
    rest = w.clone()
    column = orthogonalise_(basis, rest)
    torch.testing.assert_close(torch.einsum("bk,bkn->bn", column, vectors) + rest, w)
    assert float(torch.einsum("bkn,bn->bk", vectors, rest).abs().max()) < 1e-14


def test_in_the_full_space_it_finds_the_leading_singular_vector_of_each_sample():
    matrices = torch.randn(3, 6, 6, dtype=torch.float64)
    v = most_amplified(lambda u: torch.einsum("bij,bj->bi", matrices, u), torch.randn(3, 6, dtype=torch.float64), 6)
    amplified = torch.einsum("bij,bj->bi", matrices, v).norm(dim=1)
    torch.testing.assert_close(v.norm(dim=1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(amplified, torch.linalg.matrix_norm(matrices, 2))


def test_a_larger_space_finds_more():
    matrix = torch.randn(40, 40, dtype=torch.float64)
    start = torch.randn(1, 40, dtype=torch.float64)
    gains = [float((most_amplified(lambda u: u @ matrix.T, start, k) @ matrix.T).norm()) for k in (2, 6, 12)]
    assert gains[0] < gains[1] < gains[2] <= float(torch.linalg.matrix_norm(matrix, 2)) + 1e-9
