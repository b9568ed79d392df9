import pytest
import torch

from eiwork import data
from eiwork.errors import InputError
from eiwork.physics import radial_coil_maps, radial_mri, real_to_complex, walsh_coil_maps
from eiwork.physics.coils import coil_sensitivities
from eiwork.physics.complex_images import as_complex


def mismatch(found, maps):
    """Part of the true maps that the found ones, of any phase, do not explain."""
    return (1 - (found.conj() * maps).sum(dim=0).abs().square()).clamp_min(0).sqrt()


def test_maps_of_a_smooth_object_are_recovered():
    maps = coil_sensitivities(4, 32, 32)
    found = walsh_coil_maps(maps * 0.7, window=3)
    torch.testing.assert_close(found.abs().square().sum(dim=0), torch.ones(32, 32))
    assert mismatch(found, maps)[1:-1, 1:-1].max() < 0.02
    # A smooth phase: no jumps between neighbours.
    assert found.diff(dim=1).abs().max() < 0.2
    assert found.diff(dim=2).abs().max() < 0.2


def test_the_centre_of_k_space_gives_the_maps_where_there_is_signal():
    head = data.load("mri", "test", 64)[40:41]
    physics = radial_mri(64, 100, n_coils=4)
    kspace = as_complex(physics.A(real_to_complex(head)))[0] * physics.operator_norm
    signal = head[0, 0] > 0.2
    fine, coarse = (
        mismatch(radial_coil_maps(kspace, 64, calibration_width=width), physics.coil_maps[0])[signal].mean()
        for width in (24, 4)
    )
    assert fine < 0.03
    assert coarse > 3 * fine


def test_a_wider_window_makes_smoother_maps():
    images = torch.randn(3, 32, 32, dtype=torch.complex64)
    rough, smooth = (walsh_coil_maps(images, window=w).diff(dim=1).abs().mean() for w in (1, 9))
    assert smooth < 0.5 * rough


def test_pixels_without_signal_have_maps_of_norm_one():
    maps = walsh_coil_maps(torch.zeros(2, 8, 8, dtype=torch.complex64))
    torch.testing.assert_close(maps.abs().square().sum(dim=0), torch.ones(8, 8))


def test_unusable_input_is_one_error():
    kspace = torch.zeros(2, 3, 8, dtype=torch.complex64)
    with pytest.raises(InputError, match="there are 8 positions"):
        radial_coil_maps(kspace[:, :, :6], 8)
    with pytest.raises(InputError, match="calibration_width = 0"):
        radial_coil_maps(kspace, 8, calibration_width=0)
    with pytest.raises(InputError, match="window = 4"):
        walsh_coil_maps(kspace, window=4)
