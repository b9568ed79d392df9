"""Coil maps: synthetic ones, and those found in the measurement itself."""

import pytest
import torch

from eiwork import data
from eiwork.errors import InputError
from eiwork.physics import maps_with_image_phase, radial_coil_maps, radial_mri, real_to_complex
from eiwork.physics.coils import coil_sensitivities, walsh_coil_maps
from eiwork.physics.mri import as_channels, as_complex

SIDE, N_SPOKES = 32, 60


def mismatch(found, maps):
    """Part of the true maps that the found ones, of any phase, do not explain."""
    return (1 - (found.conj() * maps).sum(dim=0).abs().square()).clamp_min(0).sqrt()


@pytest.mark.parametrize("n", [1, 4])
def test_synthetic_maps_are_normalised_smooth_and_different(n):
    maps = coil_sensitivities(n, 32, 24)
    assert maps.shape == (n, 32, 24)
    assert maps.dtype == torch.complex64
    torch.testing.assert_close(maps.abs().square().sum(dim=0), torch.ones(32, 24))
    assert max(maps.diff(dim=1).abs().max(), maps.diff(dim=2).abs().max()) < 0.2
    gram = (maps.flatten(1) @ maps.flatten(1).conj().t()).abs()
    assert gram.fill_diagonal_(0).max() < 0.9 * 32 * 24 / n


def test_maps_of_a_smooth_object_are_recovered():
    maps = coil_sensitivities(4, 64, 64)
    found = walsh_coil_maps(maps * 0.7)
    torch.testing.assert_close(found.abs().square().sum(dim=0), torch.ones(64, 64))
    assert mismatch(found, maps)[2:-2, 2:-2].max() < 0.02
    # A smooth phase: no jumps between neighbours.
    assert max(found.diff(dim=1).abs().max(), found.diff(dim=2).abs().max()) < 0.2
    nothing = walsh_coil_maps(torch.zeros(2, 8, 8, dtype=torch.complex64))
    torch.testing.assert_close(nothing.abs().square().sum(dim=0), torch.ones(8, 8))


def test_the_centre_of_k_space_gives_the_maps_where_there_is_signal():
    head = data.load("mri", "test", 64)[40:41]
    physics = radial_mri(64, 100, n_coils=4)
    kspace = as_complex(physics.A(real_to_complex(head)))[0] * physics.operator_norm
    signal = head[0, 0] > 0.2
    assert mismatch(radial_coil_maps(kspace, 64), physics.coil_maps[0])[signal].mean() < 0.03


@pytest.fixture(scope="module")
def scan():
    """A head with a smooth phase, its coil maps and its k-space."""
    head = data.load("mri", "test", SIDE)[40, 0]
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    image = head * torch.exp(1j * (1.0 + x - 0.7 * y + 0.5 * x * y))
    maps = coil_sensitivities(4, SIDE, SIDE)
    physics = radial_mri(SIDE, N_SPOKES, coil_maps=maps)
    kspace = as_complex(physics.A(as_channels(image[None])))[0] * physics.operator_norm
    return image, maps, kspace


def test_with_its_phase_in_the_maps_an_image_becomes_real_and_keeps_its_magnitude(scan):
    image, maps, kspace = scan
    turned = maps_with_image_phase(kspace, maps)
    torch.testing.assert_close(turned.abs(), maps.abs())
    physics = radial_mri(SIDE, N_SPOKES, coil_maps=turned)
    x = as_complex(physics.prox_l2(None, physics.from_kspace(kspace), 1e4))[0]
    signal = image.abs() > 0.2
    assert image.imag[signal].norm() / image[signal].norm() > 0.5
    assert x.imag[signal].norm() / x[signal].norm() < 0.05
    assert (x.real[signal] > 0).all()
    assert (x.abs() - image.abs())[signal].norm() < 0.05 * image[signal].norm()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kspace": torch.zeros(4, 5, 32)}, "pass complex samples"),
        ({"coil_maps": torch.zeros(4, SIDE, SIDE)}, "pass complex maps"),
        ({"coil_maps": coil_sensitivities(3, SIDE, SIDE)}, "they must agree"),
        ({"kspace": torch.zeros(4, 5, 31, dtype=torch.complex64)}, "31 samples a spoke, but there are 32 positions"),
    ],
)
def test_unusable_input_is_one_error(scan, change, told):
    arguments = {"kspace": scan[2], "coil_maps": scan[1]} | change
    with pytest.raises(InputError, match=told):
        maps_with_image_phase(arguments.pop("kspace"), arguments.pop("coil_maps"), **arguments)
