"""Inverses from the blocks that a symmetric scan (CT) and whole columns (multi-coil MRI) leave, against dense ones."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from dense_algebra import dense, randn, solved

from eiwork.errors import InputError
from eiwork.physics import mri, tomography
from eiwork.physics.gram import invariant_bases, measurement_permutation

HEIGHT, WIDTH, COILS = 6, 8, 3


def matrix_of(physics):
    return physics.matrix.csr(False, torch.float64, torch.device("cpu")).to_dense().numpy()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarter_turns", range(4))
@pytest.mark.parametrize("size", [8, 9])
def test_moving_the_image_permutes_its_measurements(size, quarter_turns, mirrored):
    """The image is mirrored top to bottom (angle -> -angle), then turned anticlockwise."""
    physics = tomography(size, 6)
    matrix = matrix_of(physics)
    image = np.random.default_rng(0).random((size, size))
    moved = np.rot90(np.flipud(image) if mirrored else image, quarter_turns)
    y = np.zeros(len(matrix))
    y[measurement_permutation(physics.geometry, quarter_turns, mirrored)] = matrix @ image.ravel()
    np.testing.assert_allclose(matrix @ moved.ravel(), y, atol=1e-13)
    # A scan without the counterpart of a view lacks that symmetry.
    uneven = tomography(8, 3, angles=[0.0, 30.0, 150.0]).geometry
    assert measurement_permutation(uneven, 1, False) is None
    assert measurement_permutation(uneven, 0, True) is not None


@pytest.mark.parametrize(
    ("views", "angles", "sizes"),
    [
        (12, None, [(48,), (24,), (36,), (36,), (66, 66)]),
        (5, None, [(36,), (24,), (33,), (22,)]),
        (3, [3.0, 50.0, 110.0], [(36,), (33,)]),
        (3, [3.0, 3.0, 110.0], [(69,)]),
    ],
)
def test_the_bases_are_orthonormal_complete_and_invariant(views, angles, sizes):
    physics = tomography(16, views, angles=angles)
    groups = invariant_bases(physics.geometry)
    assert [tuple(basis.shape[1] for basis in group) for group in groups] == sizes
    bases = [basis for group in groups for basis in group]
    q = sp.hstack(bases)
    np.testing.assert_allclose((q.T @ q).toarray(), np.eye(q.shape[0]), atol=1e-14)
    matrix = matrix_of(physics)
    gram = q.T @ (matrix @ matrix.T) @ q
    parts = np.repeat(np.arange(len(bases)), [basis.shape[1] for basis in bases])
    assert np.abs(gram[parts[:, None] != parts]).max(initial=0.0) < 1e-14
    for first, *others in groups:
        block = first.T @ (matrix @ matrix.T) @ first
        for other in others:
            np.testing.assert_allclose(other.T @ (matrix @ matrix.T) @ other, block, atol=1e-14)


UNEVEN = [[3.0, 50.0, 110.0], [3.0, 3.0, 110.0], [10.0, 80.0, 100.0, 170.0], [0.0, 80.0, 90.0, 170.0]]


@pytest.mark.parametrize(("views", "angles"), [(4, None), (5, None), *((len(a), a) for a in UNEVEN)])
@pytest.mark.parametrize("size", [8, 9])
def test_the_blocks_are_exact_whatever_the_symmetry_of_the_scan(size, views, angles):
    physics = tomography(size, views, angles=angles)
    a = dense(physics)
    r = randn(2, 1, physics.geometry.n_detectors, views)
    expected = solved(a @ a.T, 0.01, r)
    for regularisation in (0.01, torch.tensor(0.01, dtype=torch.float64)):
        torch.testing.assert_close(physics.whiten(r, regularisation), expected, rtol=1e-11, atol=1e-11)
    pinv = torch.linalg.pinv(a, rtol=0.05)
    torch.testing.assert_close(physics.A_dagger(r, rtol=0.05).flatten(1), r.flatten(1) @ pinv.T, rtol=1e-9, atol=1e-9)


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


def test_old_factors_leave_the_cache_and_come_back_equal():
    physics = tomography(7, 3)
    r = randn(1, 1, 10, 3)
    first = physics.whiten(r, 0.1)
    for k in range(6):
        physics.whiten(r, 0.2 + k)
    assert len(physics.matrix.spectrum._factors) == 4
    assert torch.equal(physics.whiten(r, 0.1), first)
    assert tomography(128, 50).matrix.spectrum.available, "the scan of a large image is whitened exactly, too"


def operator():
    return mri((HEIGHT, WIDTH), acceleration=2, center_fraction=0.25, n_coils=COILS).double()


def proximal_point(physics, z, y):
    """That of gamma = 3, by the matrix."""
    a = dense(physics)
    return solved(3 * a.T @ a, 1.0, 3 * (y.flatten(1) @ a).view_as(z) + z)


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
    physics.coil_maps.requires_grad_()
    with pytest.raises(InputError, match="as constants"):
        physics.prox_l2(z, y, 1.0)


def test_rows_are_decomposed_once(monkeypatch):
    physics, calls, eigh = operator(), [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda a: calls.append(a.shape) or eigh(a))
    for _ in range(3):
        physics.whiten(physics.A(torch.ones(1, 2, HEIGHT, WIDTH).double()), 0.1)
    assert calls == [(HEIGHT, WIDTH, WIDTH)]
