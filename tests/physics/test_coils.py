import torch

from eiwork.physics.coils import coil_sensitivities


def test_maps_are_normalised_smooth_and_different():
    maps = coil_sensitivities(4, 32, 24)
    assert maps.shape == (4, 32, 24)
    assert maps.dtype == torch.complex64
    torch.testing.assert_close(maps.abs().square().sum(dim=0), torch.ones(32, 24))
    assert maps.diff(dim=1).abs().max() < 0.2
    assert maps.diff(dim=2).abs().max() < 0.2
    flat = maps.flatten(1)
    gram = (flat @ flat.conj().t()).abs()
    assert gram.fill_diagonal_(0).max() < 0.9 * gram.new_tensor(32 * 24 / 4)


def test_one_coil_has_unit_sensitivity():
    torch.testing.assert_close(coil_sensitivities(1, 8, 8).abs(), torch.ones(1, 8, 8))
