"""The embedded radial scan: what is returned, in which units, and what a damaged file does."""

import pytest
import torch

from eiwork import data
from eiwork.data import store


def test_the_scan_has_400_spokes_of_8_coils() -> None:
    scan = data.radial_kspace()
    assert (scan.kspace.shape, scan.kspace.dtype) == ((8, 400, 64), torch.complex64)
    assert scan.kspace.isfinite().all()
    assert scan.positions.tolist() == list(range(-32, 32))
    assert scan.angles[:3].tolist() == pytest.approx([0.0, 111.24612, 222.49224], abs=1e-4)
    assert ((scan.angles >= 0) & (scan.angles < 360)).all()
    assert torch.bincount(scan.echoes).tolist() == [25] * 16
    assert scan.image_size == 64
    # Virtual coils come strongest first, and fewer may be taken.
    energy = scan.kspace.abs().square().sum(dim=(1, 2))
    assert (energy.diff() < 0).all()
    assert torch.equal(data.radial_kspace(n_coils=3).kspace, scan.kspace[:3])
    assert energy[:6].sum() > 0.99 * energy.sum()
    entry = store.entry_of("radial", "test")
    assert entry["bytes"] < 1_000_000
    assert data.data_hash("radial", "test") == entry["content_sha256"]


def test_a_smaller_image_is_the_centre_of_the_same_k_space() -> None:
    large, small = data.radial_kspace(128), data.radial_kspace(45)
    assert small.positions.tolist() == list(range(-22, 23))
    centre = large.kspace[:, :, 64 - 22 : 64 + 23] * (45 / 128) ** 2
    torch.testing.assert_close(small.kspace, centre)


def test_every_spoke_is_strongest_at_its_centre_and_signal_decays_from_echo_to_echo() -> None:
    energy = data.radial_kspace(128).kspace.abs().square().sum(dim=0)
    assert (energy.argmax(dim=1) - 64).abs().max() <= 1
    assert energy[:, 64].min() > 1e4 * energy[:, :4].mean()
    scan = data.radial_kspace(64)
    signal = scan.kspace[:, :, 30:35].abs().square().sum(dim=(0, 2)).sqrt()
    means = torch.stack([signal[scan.echoes == echo].mean() for echo in range(16)])
    assert (means[1:].diff() < 0).all()
    assert means[15] / means[1] == pytest.approx(0.24, abs=0.02)


def test_spokes_are_chosen_by_slice_mask_and_list() -> None:
    scan = data.radial_kspace(16)
    for index, count in ((slice(25), 25), (scan.echoes == 3, 25), ([0, 5], 2)):
        part = scan.spokes(index)
        assert part.kspace.shape == (8, count, 16)
        assert torch.equal(part.angles, scan.angles[index])
        assert torch.equal(part.echoes, scan.echoes[index])
        assert part.image_size == 16
