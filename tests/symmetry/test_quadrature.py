"""Lanczos quadrature against eigendecompositions."""

import pytest
import torch

from eiwork.symmetry.quadrature import lanczos


def problem(n=40, rank=40, batch=3):
    generator = torch.Generator().manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))
    values = torch.cat([torch.zeros(n - rank), torch.logspace(-4, 0, rank)]).double()
    h = (q * values) @ q.T
    return h, torch.randn(batch, n, dtype=torch.float64, generator=generator)


def exact(h, v, shift):
    return (v * torch.linalg.solve(h + shift * torch.eye(len(h), dtype=h.dtype), v.T).T).sum(dim=1)


@pytest.mark.parametrize(("rank", "shift", "counts"), [(40, 1e-2, (2, 5, 10, 20)), (15, 1e-3, (8,))])
def test_the_bounds_enclose_the_inverse_and_close_in_on_it(rank, shift, counts):
    h, v = problem(rank=rank)
    truth, gaps = exact(h, v, shift), []
    for steps in counts:
        low, high = lanczos(lambda x: x @ h, v, steps).inverse_bounds(shift)
        assert (low <= truth * (1 + 1e-12)).all()
        assert (high >= truth * (1 - 1e-12)).all()
        gaps.append(float((high - low).max()))
    if rank < 40:
        assert (high > 1.0001 * low).all()
    else:
        assert gaps[0] > 10 * gaps[2] > 100 * gaps[3]


def test_an_exhausted_krylov_space_stops_by_itself_with_energies_at_the_eigenvalues():
    values = torch.tensor([0.0, 0.5, 0.5, 1.0], dtype=torch.float64)
    v = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 1.0, 0.0]], dtype=torch.float64)
    quadrature = lanczos(lambda x: x * values, v, 10)
    assert quadrature.diagonal.shape[1] == 3
    assert (quadrature.next_off_diagonal == 0).all()
    low, high = quadrature.inverse_bounds(0.1)
    expected = (v.square() / (values + 0.1)).sum(dim=1)
    torch.testing.assert_close(low, expected)
    torch.testing.assert_close(high, expected)
    nodes, weights = quadrature.nodes_and_weights()
    torch.testing.assert_close(nodes[0], torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(weights[0], torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64), atol=1e-12, rtol=0)
    assert (lanczos(lambda x: x * values, torch.zeros_like(v), 5).nodes_and_weights()[1] == 0).all()


def test_it_stops_when_it_knows_enough():
    h, v = problem()
    assert lanczos(lambda x: x @ h, v, 30, lambda q: q.diagonal.shape[1] >= 8).diagonal.shape[1] == 8
