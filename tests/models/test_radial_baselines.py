"""Gridding and SENSE on radial MRI: synthetic data with a truth, and the embedded scan of a brain."""

import pytest
import torch

from eiwork import data
from eiwork.errors import InputError
from eiwork.models.baselines import ConjugateGradientSENSE, Gridding
from eiwork.physics import inpainting, magnitude, radial_coil_maps, radial_mri, real_to_complex


def error(x_hat, x):
    return float((x_hat - x).norm() / x.norm())


@pytest.fixture(scope="module")
def undersampled():
    x = real_to_complex(data.load("mri", "test", 64)[40:41])
    physics = radial_mri(64, 25, n_coils=6, noise_sigma=1e-3, noise_seed=0)
    return physics, x, physics(x)


def test_gridding_is_the_operators_own(undersampled):
    physics, _, y = undersampled
    assert torch.equal(Gridding()(y, physics), physics.gridding(y))
    with pytest.raises(InputError, match="has no gridding: use Adjoint"):
        Gridding()(torch.zeros(1, 1, 8, 8), inpainting(8, keep=0.5))


def test_sense_beats_gridding_on_few_spokes(undersampled):
    physics, x, y = undersampled
    sense = ConjugateGradientSENSE(1e-3)(y, physics)
    assert error(sense, x) < 0.7 * error(Gridding()(y, physics), x)


def test_sense_solves_its_normal_equations_and_the_weight_shrinks(undersampled):
    physics, _, y = undersampled
    sense = ConjugateGradientSENSE(0.01)(y, physics)
    residual = physics.A_adjoint(physics.A(sense) - y) + 0.01 * sense
    assert residual.norm() < 1e-5 * physics.A_adjoint(y).norm()
    assert ConjugateGradientSENSE(0.1)(y, physics).norm() < sense.norm()
    with pytest.raises(InputError, match="weight=0"):
        ConjugateGradientSENSE(0)


def reconstruct(scan, method):
    size = scan.image_size
    maps = radial_coil_maps(scan.kspace, size, angles=scan.angles, positions=scan.positions)
    physics = radial_mri(size, len(scan.angles), angles=scan.angles, positions=scan.positions, coil_maps=maps)
    return magnitude(method(physics.from_kspace(scan.kspace), physics))


def decibels(x, reference):
    """PSNR after the best scaling."""
    scaled = x * ((x * reference).sum() / x.square().sum())
    return float(10 * torch.log10(reference.max() ** 2 / (scaled - reference).square().mean()))


def test_the_measured_brain_is_reconstructed():
    scan = data.radial_kspace(64)
    reference = reconstruct(scan, ConjugateGradientSENSE(1e-3))
    # Values are about 1 at the bright end, and dark in the corners.
    assert reference.quantile(0.99).item() == pytest.approx(1.0, abs=0.1)
    assert reference[..., :8, :8].mean() < 0.05
    assert decibels(reconstruct(scan, Gridding()), reference) > 35
    few = scan.spokes(slice(50))
    assert decibels(reconstruct(few, ConjugateGradientSENSE(3e-3)), reference) > 26.5
    assert decibels(reconstruct(few, Gridding()), reference) < 26


def test_the_spokes_of_the_measured_brain_are_centred():
    scan = data.radial_kspace(64)
    scan = scan.spokes(scan.echoes < 2)
    inner = slice(1, -1)
    maps = radial_coil_maps(scan.kspace, 64, angles=scan.angles, positions=scan.positions)
    unexplained = []
    for shift in (-0.1, 0.0, 0.1):
        physics = radial_mri(64, 50, angles=scan.angles, positions=scan.positions[inner] + shift, coil_maps=maps)
        y = physics.from_kspace(scan.kspace[:, :, inner])
        unexplained.append(error(physics.A(ConjugateGradientSENSE(1e-3)(y, physics)), y))
    assert unexplained[1] < 0.1
    assert unexplained[1] < 0.7 * min(unexplained[0], unexplained[2])
