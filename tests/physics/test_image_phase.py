"""The image's phase moves into the coil maps, and nothing else changes."""

import pytest
import torch

from eiwork import data
from eiwork.errors import InputError
from eiwork.physics import maps_with_image_phase, radial_mri
from eiwork.physics.coils import coil_sensitivities
from eiwork.physics.complex_images import as_channels, as_complex

SIDE, N_SPOKES = 32, 60


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


def test_the_image_becomes_real_and_keeps_its_magnitude(scan):
    image, maps, kspace = scan
    turned = maps_with_image_phase(kspace, maps)
    torch.testing.assert_close(turned.abs(), maps.abs())
    physics = radial_mri(SIDE, N_SPOKES, coil_maps=turned)
    x = as_complex(physics.prox_l2(None, physics.from_kspace(kspace), 1e4))[0]
    signal = image.abs() > 0.2
    share = x.imag[signal].norm() / x[signal].norm()
    assert image.imag[signal].norm() / image[signal].norm() > 0.5
    assert share < 0.05
    assert (x.real[signal] > 0).all()
    assert (x.abs() - image.abs())[signal].norm() < 0.05 * image[signal].norm()


def test_a_narrow_centre_leaves_phase_in_the_image(scan):
    image, maps, kspace = scan
    signal = image.abs() > 0.2
    left = [
        (maps_with_image_phase(kspace, maps, calibration_width=width) * maps.conj()).sum(dim=0)
        * image.conj()
        / image.abs().clamp_min(1e-6)
        for width in (24, 2)
    ]
    fine, coarse = (turn[signal].imag.abs().mean() for turn in left)
    assert fine < 0.05
    assert coarse > 3 * fine


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"calibration_width": 0}, "calibration_width"),
        ({"kspace": torch.zeros(4, 5, 32)}, "complex"),
        ({"coil_maps": coil_sensitivities(3, SIDE, SIDE)}, "they must agree"),
        ({"kspace": torch.zeros(4, 5, 31, dtype=torch.complex64)}, "31 samples a spoke"),
    ],
)
def test_unusable_input_is_refused(scan, change, told):
    arguments = {"kspace": scan[2], "coil_maps": scan[1]} | change
    with pytest.raises(InputError, match=told):
        maps_with_image_phase(arguments.pop("kspace"), arguments.pop("coil_maps"), **arguments)
