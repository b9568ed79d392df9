"""Equivariance and invariance: exact where they must be, and seen where they are missing."""

import pytest
import torch
from fields import SIZE, Linear, LogBarrier, convex_network, generator, images, network, symmetric

from eiwork.analysis import ImpliedPrior, equivariance_error, prior_invariance, reconstruction_equivariance
from eiwork.errors import InputError
from eiwork.models import GroupAveraged, quarter_turns_and_flips
from eiwork.models.baselines import MinimumNormInverse
from eiwork.physics import inpainting
from eiwork.symmetry import Reflection, Rotation, Shift

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
    found = equivariance_error(lambda x: 0.9 * x, X, Rotation(), ANGLES)
    assert float(found.error.max()) < 1e-12
    assert float(found.round_trip.min()) > 0.01
    assert not bool(found.exact.any())
    assert bool(equivariance_error(network(), X, Shift(rng=generator())).exact.all())


def test_the_numbers_are_what_they_say():
    denoiser, rotation = network(), Rotation()
    found = equivariance_error(denoiser, X, rotation, QUARTERS)
    out = denoiser(X)
    difference = denoiser(rotation.transform(X, **QUARTERS)) - rotation.transform(out, **QUARTERS)
    c = (out * X).sum(dim=(1, 2, 3), keepdim=True) / X.square().sum(dim=(1, 2, 3), keepdim=True)
    for value, reference in ((found.error, out), (found.learnt, out - c * X)):
        expected = difference.flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)
        torch.testing.assert_close(value, expected.detach())


def test_several_transforms_an_image():
    found = equivariance_error(network(), X, Rotation(n_trans=3, rng=generator()))
    assert found.error.shape == found.round_trip.shape == (12,)


def test_a_reconstruction_that_ignores_the_group_is_caught():
    physics = inpainting(SIZE, keep=0.5).double()
    found = reconstruction_equivariance(MinimumNormInverse(), X, physics, Rotation(), QUARTERS)
    out = physics.A_dagger(physics.A(X))
    turned = Rotation().transform(X, **QUARTERS)
    difference = physics.A_dagger(physics.A(turned)) - Rotation().transform(out, **QUARTERS)
    expected = difference.flatten(1).norm(dim=1) / (out - X).flatten(1).norm(dim=1)
    torch.testing.assert_close(found.beside_error, expected)
    assert float(found.error.min()) > 0.3
    perfect = reconstruction_equivariance(
        lambda y, p: p.A_dagger(y), X, inpainting(SIZE, keep=1.0).double(), Rotation(), QUARTERS
    )
    assert float(perfect.error.max()) < 1e-12


def test_the_prior_of_an_averaged_potential_is_invariant():
    denoiser = LogBarrier()  # pixel by pixel: every permutation of pixels leaves its prior as it is
    found = prior_invariance(ImpliedPrior(denoiser, lambda z: exact_psi(denoiser, z)), X, Rotation(), QUARTERS)
    assert float(found.relative.max()) < 1e-6
    assert float(found.residual.max()) < 1e-6


def exact_psi(denoiser, z):
    x = denoiser(z)
    return (z * x - x.square() / 2).flatten(1).sum(dim=1) - denoiser.phi(x)


@pytest.mark.parametrize("make", [lambda: Linear(symmetric(0.4, 1.0)), convex_network], ids=["linear", "convex"])
def test_a_prior_with_preferred_directions_is_not(make):
    denoiser = make()
    psi = denoiser.psi if hasattr(denoiser, "psi") else lambda z: (z * denoiser(z)).flatten(1).sum(dim=1) / 2
    prior = ImpliedPrior(denoiser, psi)
    found = prior_invariance(prior, X, Rotation(), QUARTERS)
    assert float(found.relative.max()) > 0.01
    x = prior.at_output(X)
    turned = prior.at(Rotation().transform(x.x, **QUARTERS))
    torch.testing.assert_close(found.change, (turned.phi - x.phi).detach(), rtol=1e-3, atol=1e-4)
    with pytest.raises(InputError, match="two images"):
        prior_invariance(prior, X[:1], Rotation(), {"theta": torch.tensor([[90.0]], dtype=torch.float64)})
