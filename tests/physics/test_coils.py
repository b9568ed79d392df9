"""Coil maps: synthetic ones, and those of Walsh."""

import pytest
import torch

from eiwork.physics.coils import coil_sensitivities, walsh_coil_maps


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
    explained = (found.conj() * maps).sum(dim=0).abs().square()
    assert (1 - explained).clamp_min(0).sqrt()[2:-2, 2:-2].max() < 0.02
    # A smooth phase: no jumps between neighbours.
    assert max(found.diff(dim=1).abs().max(), found.diff(dim=2).abs().max()) < 0.2
    nothing = walsh_coil_maps(torch.zeros(2, 8, 8, dtype=torch.complex64))
    torch.testing.assert_close(nothing.abs().square().sum(dim=0), torch.ones(8, 8))
