"""Equivariance: exact where it must be, and seen where it is missing."""

import torch
from fields import generator, images, network

from eiwork.analysis import equivariance_error
from eiwork.symmetry import Reflection, Rotation, Shift
from eiwork_study.proximal.averaged import GroupAveraged, quarter_turns_and_flips

X = images(4)
QUARTERS = {"theta": torch.tensor([[90.0, 180.0, 270.0, 90.0]], dtype=torch.float64)}
ANGLES = {"theta": torch.tensor([[13.0, 77.0, 200.0, -40.0]], dtype=torch.float64)}


def test_an_averaged_denoiser_is_equivariant_to_its_group_alone():
    averaged = GroupAveraged(network(), quarter_turns_and_flips())
    for transform, params in ((Rotation(), QUARTERS), (Reflection(rng=generator()), None)):
        found = equivariance_error(averaged, X, transform, params)
        assert float(found.learnt.max()) < 1e-10
        assert bool(found.exact.all())
    plain = equivariance_error(network(), X, Rotation(), QUARTERS)
    assert float(plain.error.min()) > 1e-3
    # Unshuffled blocks of two pixels make the network blind to odd shifts.
    shifted = equivariance_error(averaged, X, Shift(rng=generator()))
    assert float(shifted.learnt.max()) > 1e-3


def test_interpolation_is_reported_beside_the_error():
    found = equivariance_error(lambda x: 0.9 * x, X, Rotation("bilinear"), ANGLES)
    assert float(found.error.max()) < 1e-12
    assert float(found.round_trip.min()) > 0.01
    assert not bool(found.exact.any())
    assert bool(equivariance_error(network(), X, Shift(rng=generator())).exact.all())


def test_the_numbers_are_what_they_say_also_of_several_transforms_an_image():
    denoiser, rotation = network(), Rotation()
    found = equivariance_error(denoiser, X, rotation, QUARTERS)
    out = denoiser(X)
    difference = denoiser(rotation.transform(X, **QUARTERS)) - rotation.transform(out, **QUARTERS)
    c = (out * X).sum(dim=(1, 2, 3), keepdim=True) / X.square().sum(dim=(1, 2, 3), keepdim=True)
    for value, reference in ((found.error, out), (found.learnt, out - c * X)):
        expected = difference.flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)
        torch.testing.assert_close(value, expected.detach())
    found = equivariance_error(network(), X, Rotation(n_trans=3, rng=generator()))
    assert found.error.shape == found.round_trip.shape == (12,)
