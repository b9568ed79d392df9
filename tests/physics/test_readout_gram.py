"""The row-wise inverse of A^T A + s I of multi-coil MRI, against the dense one and against conjugate gradients."""

import copy

import pytest
import torch
from dense_algebra import dense, randn, solved

from eiwork.physics import mri
from eiwork.physics.readout_gram import readout_gram

HEIGHT, WIDTH, COILS = 6, 8, 3


def operator():
    return mri((HEIGHT, WIDTH), acceleration=2, center_fraction=0.25, n_coils=COILS).double()


def proximal_point(physics, z, y):
    """That of gamma = 3, by the matrix."""
    a = dense(physics)
    return solved(3 * a.T @ a, 1.0, 3 * (y.flatten(1) @ a).view_as(z) + z)


@pytest.mark.parametrize("shift", [0.7, 1e-3, torch.tensor(0.02, dtype=torch.float64)])
def test_it_is_the_dense_inverse(shift):
    physics = operator()
    a, b = dense(physics), randn(2, 2, HEIGHT, WIDTH)
    found = readout_gram(physics.mask, physics.coil_maps).solve(b, shift)
    torch.testing.assert_close(found, solved(a.T @ a, shift, b), rtol=1e-9, atol=1e-9)
    single = readout_gram(physics.mask, physics.coil_maps).solve(b.float(), shift)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), found, rtol=1e-3, atol=1e-4)


def test_its_eigenvalues_are_those_of_the_dense_matrix_and_pairs_of_them():
    physics = operator()
    a = dense(physics)
    found = readout_gram(physics.mask, physics.coil_maps).eigenvalues
    assert found.shape == (HEIGHT, WIDTH)
    # A complex direction is two real ones.
    expected = torch.linalg.eigvalsh(a.T @ a)
    torch.testing.assert_close(found.flatten().repeat_interleave(2).sort().values, expected, rtol=1e-9, atol=1e-9)


def scattered_mask():
    mask = (torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) < 0.5).double()
    return mask.expand(1, 2, HEIGHT, WIDTH).clone()


def test_a_mask_of_scattered_samples_is_solved_by_conjugate_gradients():
    physics = operator()
    physics.update(mask=scattered_mask())
    assert readout_gram(physics.mask, physics.coil_maps) is None
    z, y = randn(1, 2, HEIGHT, WIDTH), physics.A(randn(1, 2, HEIGHT, WIDTH, seed=1))
    torch.testing.assert_close(physics.prox_l2(z, y, 3.0), proximal_point(physics, z, y), rtol=1e-9, atol=1e-9)


def test_several_sets_of_maps_have_no_common_blocks():
    physics = operator()
    assert readout_gram(physics.mask, physics.coil_maps.repeat(2, 1, 1, 1)) is None


@pytest.mark.parametrize("change", ["another mask", "another set of maps", "a mask that is written to", "a copy"])
def test_what_is_decomposed_is_that_of_the_moment(change):
    physics = operator()
    z, y = randn(1, 2, HEIGHT, WIDTH), physics.A(randn(1, 2, HEIGHT, WIDTH, seed=1))
    before = physics.prox_l2(z, y, 3.0)
    if change == "another mask":
        physics.update(mask=physics.mask.roll(1, dims=-1))
    elif change == "another set of maps":
        physics.update(coil_maps=physics.coil_maps.flip(1) * 0.5)
    elif change == "a mask that is written to":
        physics.mask.fill_(0.5)
    else:
        same = copy.deepcopy(physics)
        assert torch.equal(same.prox_l2(z, y, 3.0), before)
        return
    after = physics.prox_l2(z, y, 3.0)
    assert not torch.allclose(after, before, atol=1e-3)
    torch.testing.assert_close(after, proximal_point(physics, z, y), rtol=1e-6, atol=1e-6)


def test_it_is_decomposed_once(monkeypatch):
    physics, calls, eigh = operator(), [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda a: calls.append(a.shape) or eigh(a))
    for _ in range(3):
        physics.whiten(physics.A(torch.ones(1, 2, HEIGHT, WIDTH).double()), 0.1)
    assert calls == [(HEIGHT, WIDTH, WIDTH)]
