import numpy as np
import pytest
import scipy.sparse as sp
import torch

from eiwork.physics import tomography
from eiwork.physics.scan_symmetry import invariant_bases, measurement_permutation

EXACT = (torch.float64, torch.device("cpu"))


def moved(image, quarter_turns, mirrored):
    """The image mirrored top to bottom (angle -> -angle), then turned anticlockwise."""
    return np.rot90(np.flipud(image) if mirrored else image, quarter_turns)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarter_turns", range(4))
@pytest.mark.parametrize("size", [8, 9])
def test_moving_the_image_permutes_its_measurements(size, quarter_turns, mirrored):
    physics = tomography(size, 6)
    matrix = physics.matrix.csr(False, *EXACT).to_dense().numpy()
    image = np.random.default_rng(0).random((size, size))
    permutation = measurement_permutation(physics.geometry, quarter_turns, mirrored)
    y = np.zeros(len(matrix))
    y[permutation] = matrix @ image.ravel()
    np.testing.assert_allclose(matrix @ moved(image, quarter_turns, mirrored).ravel(), y, atol=1e-13)


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
    matrix = physics.matrix.csr(False, *EXACT).to_dense().numpy()
    gram = q.T @ (matrix @ matrix.T) @ q
    parts = np.repeat(np.arange(len(bases)), [basis.shape[1] for basis in bases])
    assert np.abs(gram[parts[:, None] != parts]).max(initial=0.0) < 1e-14
    for first, *others in groups:
        block = first.T @ (matrix @ matrix.T) @ first
        for other in others:
            np.testing.assert_allclose(other.T @ (matrix @ matrix.T) @ other, block, atol=1e-14)


def test_a_scan_without_the_counterpart_of_a_view_lacks_that_symmetry():
    geometry = tomography(8, 3, angles=[0.0, 30.0, 150.0]).geometry
    assert measurement_permutation(geometry, 1, False) is None
    assert measurement_permutation(geometry, 0, True) is not None
