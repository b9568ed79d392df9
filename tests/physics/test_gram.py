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


@pytest.mark.parametrize(
    ("views", "angles"),
    [
        (4, None),
        (5, None),
        (3, [3.0, 50.0, 110.0]),
        (3, [3.0, 3.0, 110.0]),
        (4, [10.0, 80.0, 100.0, 170.0]),
        (4, [0.0, 80.0, 90.0, 170.0]),
    ],
)
@pytest.mark.parametrize("size", [8, 9])
def test_the_blocks_are_exact_whatever_the_symmetry_of_the_scan(size, views, angles):
    physics = tomography(size, views, angles=angles)
    a = dense(physics)
    r = randn(2, 1, physics.geometry.n_detectors, views)
    expected = torch.linalg.solve(a @ a.T + 0.01 * torch.eye(len(a), dtype=a.dtype), r.flatten(1).T).T
    torch.testing.assert_close(physics.whiten(r, 0.01).flatten(1), expected, rtol=1e-11, atol=1e-11)
    learnt = physics.whiten(r, torch.tensor(0.01, dtype=torch.float64))
    torch.testing.assert_close(learnt.flatten(1), expected, rtol=1e-11, atol=1e-11)
    values, vectors = physics.matrix.spectrum.basis(torch.float64, torch.device("cpu"))
    assert bool((values.diff() >= 0).all())
    torch.testing.assert_close(vectors * values @ vectors.T, a @ a.T, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(len(a), dtype=a.dtype), rtol=1e-12, atol=1e-12)


def test_the_scan_of_a_large_image_is_whitened_exactly():
    # 9100 measurements, whose dense inverse would take 662 MB in float64.
    physics = tomography(128, 50)
    assert (physics.matrix.spectrum.largest_block, physics.matrix.spectrum.available) == (2275, True)


def test_beyond_the_largest_block_whitening_is_iterative_and_agrees(monkeypatch):
    physics = tomography(8, 4)
    r = randn(2, 1, 12, 4).requires_grad_()
    shift = torch.tensor(0.05, dtype=torch.float64, requires_grad=True)

    def value_and_gradients(r, shift):
        value = physics.whiten(r, shift)
        return value, *torch.autograd.grad(value.square().sum(), (r, shift))

    exact = value_and_gradients(r, shift)
    monkeypatch.setattr("eiwork.physics.gram.MAX_BLOCK", 1)
    torch.testing.assert_close(value_and_gradients(r, shift), exact, rtol=1e-9, atol=1e-9)
    single = physics.whiten(r.detach().float(), 0.05)
    torch.testing.assert_close(single.double(), exact[0].detach(), rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match=r"48 measurements, of which its symmetry leaves blocks of up to 12"):
        physics.matrix.spectrum.basis(torch.float64, torch.device("cpu"))


def test_old_factors_leave_the_cache_and_come_back_equal():
    physics = tomography(7, 3)
    r = randn(1, 1, 10, 3)
    first = physics.whiten(r, 0.1)
    for k in range(6):
        physics.whiten(r, 0.2 + k)
    assert len(physics.matrix.spectrum._factors) == 4
    assert torch.equal(physics.whiten(r, 0.1), first)
