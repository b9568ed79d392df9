"""The measured price of interpolation against dense matrices."""

import pytest
import torch

from eiwork.errors import InputError
from eiwork.symmetry import Reflection, Rotation, Shift, interpolation_error
from eiwork.symmetry.interpolation_error import concentrated_basis, faded_waves
from eiwork.symmetry.stacked import draw_elements


def test_the_departure_is_the_norm_of_the_dense_matrix():
    rotation = Rotation("bilinear")
    found = interpolation_error(rotation, 12, cutoff=0.25, n_elements=3, steps=200, seed=4)
    basis = concentrated_basis(faded_waves(12, 0.25))
    (params,) = draw_elements(rotation, torch.zeros(3, 1, 12, 12), 1, 4)
    norms = []
    for angle in params["theta"][0]:
        eye = torch.eye(144, dtype=torch.float64).view(144, 1, 12, 12)
        matrix = rotation(eye, theta=angle[None]).view(144, 144).T
        gram = basis.T @ (matrix.T @ matrix - torch.eye(144)) @ basis
        norms.append(float(torch.linalg.matrix_norm(gram, 2)))
    assert found.departure == pytest.approx(max(norms), rel=1e-8)


@pytest.mark.parametrize("transform", [Shift(), Reflection(), Rotation(multiples_of=90), Rotation("fourier")])
def test_orthogonal_transforms_lose_nothing(transform):
    error = interpolation_error(transform, 24)
    assert error.departure < 1e-13
    assert error.round_trip < 1e-13


def test_finer_detail_costs_more():
    coarse, fine = (interpolation_error(Rotation("bilinear"), 32, cutoff=c) for c in (0.1, 0.3))
    assert coarse.round_trip < fine.round_trip
    assert coarse.departure < fine.departure


def test_the_basis_is_orthonormal_and_band_limited():
    basis = concentrated_basis(faded_waves(32, 0.2))
    torch.testing.assert_close(basis.T @ basis, torch.eye(basis.shape[1], dtype=torch.float64))
    f = torch.fft.fftfreq(32, dtype=torch.float64)
    outside = torch.hypot(f[:, None], f[None]) > 0.2 + 0.1
    power = torch.fft.fft2(basis.T.view(-1, 32, 32)).abs().square()
    assert (power[:, outside].sum(dim=1) / power.sum(dim=(1, 2))).max() < 0.01


def test_useless_settings_are_refused():
    for change in ({"image_size": 4}, {"cutoff": 0.6}, {"cutoff": 0.01}, {"n_elements": 1}, {"steps": 0}):
        with pytest.raises(InputError, match=next(iter(change))):
            interpolation_error(Rotation(), **change)
