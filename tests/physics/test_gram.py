import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import tomography


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def dense(physics):
    """The matrix of A, column by column, in float64."""
    size = physics.geometry.image_size
    pixels = torch.eye(size * size, dtype=torch.float64).view(-1, 1, size, size)
    return physics.A(pixels).flatten(1).t()


def test_whiten_inverts_the_regularised_gram_matrix():
    physics = tomography(10, 4)
    r = randn(2, 1, 15, 4)
    white = physics.whiten(r, 0.05)
    torch.testing.assert_close(physics.A(physics.A_adjoint(white)) + 0.05 * white, r)
    single = physics.whiten(r.float(), 0.05)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), white, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(physics.whiten(r, 0.5), white)


def test_whiten_with_a_learnt_regularisation_is_the_same_and_differentiable_in_it():
    physics = tomography(5, 3)
    r = randn(2, 1, 8, 3).requires_grad_()
    regularisation = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(physics.whiten(r, regularisation), physics.whiten(r, 0.3))
    assert torch.autograd.gradcheck(physics.whiten, (r, regularisation))


@pytest.mark.parametrize("regularisation", [0, -1.0, float("nan"), torch.tensor(-1.0), torch.ones(2)])
def test_a_useless_regularisation_is_refused(regularisation):
    physics = tomography(8, 3)
    with pytest.raises(InputError, match="regularisation"):
        physics.whiten(torch.zeros(1, 1, 12, 3), regularisation)


def test_many_measurements_cannot_be_whitened(monkeypatch):
    monkeypatch.setattr("eiwork.physics.gram.MAX_MEASUREMENTS", 1)
    physics = tomography(9, 3)
    with pytest.raises(InputError, match=r"39 measurements, more than the 1 .* fbp"):
        physics.whiten(torch.zeros(1, 1, 13, 3), 0.1)


def test_old_factors_leave_the_cache_and_come_back_equal():
    physics = tomography(7, 3)
    r = randn(1, 1, 10, 3)
    first = physics.whiten(r, 0.1)
    for k in range(6):
        physics.whiten(r, 0.2 + k)
    assert len(physics.matrix.spectrum._factors) == 4
    assert torch.equal(physics.whiten(r, 0.1), first)
