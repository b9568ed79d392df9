"""The prior's likes, against a prior that is known: D = c x is the proximal map of (1 / c - 1) ||x||^2 / 2."""

import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.training.measurements import clean_images
from eiwork_study.proximal.likes import CORRUPTIONS, curvature, prior_rise, towards_minimum

C = 0.8


class Shrink(nn.Module):
    """D(x) = c x, more strongly in the upper half of the image."""

    def __init__(self, upper=C):
        super().__init__()
        self.upper = upper

    def forward(self, x):
        weights = torch.full((x.shape[-2], 1), C, dtype=x.dtype)
        weights[: x.shape[-2] // 2] = self.upper
        return weights * x


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def x(recipe):
    return clean_images(recipe)[:4].double()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_rise_of_a_known_prior(x, name):
    _, strengths = CORRUPTIONS[name]
    strength = strengths[-1]
    found = prior_rise(Shrink(), x, name, strength, generator=generator())
    clean = C * x
    corrupted = CORRUPTIONS[name][0](clean, strength, generator())

    def phi(image):
        return (1 / C - 1) * image.square().flatten(1).sum(dim=1) / 2

    expected = (phi(corrupted) - phi(clean)) / phi(clean).std()
    torch.testing.assert_close(found.rise, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.share, torch.ones(4).double(), rtol=1e-3, atol=1e-3)
    assert (found.distance > 0).all()


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name != "turned"])
def test_a_stronger_corruption_changes_more(x, name):
    _, strengths = CORRUPTIONS[name]
    distances = [
        prior_rise(Shrink(), x, name, strength, generator=generator()).distance.mean() for strength in strengths
    ]
    assert distances == sorted(distances)
    assert distances[0] < distances[-1]


def test_the_curvature_of_a_known_prior(x):
    found = curvature(Shrink(upper=0.5), x[:2], generator=generator())
    torch.testing.assert_close(found.curvature_flattest, torch.full((2,), 1 / C - 1).double())
    torch.testing.assert_close(found.curvature_steepest, torch.full((2,), 1.0).double())
    half = x.shape[-2] // 2
    assert found.steepest[..., half:, :].abs().max() < 1e-6
    assert found.flattest[..., :half, :].abs().max() < 1e-6


def test_proximal_point_iterations(x):
    images = towards_minimum(Shrink(), x, 3)
    assert len(images) == 4
    torch.testing.assert_close(images[-1], C**3 * x)


def test_what_makes_no_sense_is_told(x):
    with pytest.raises(InputError, match="no corruption 'nois'"):
        prior_rise(Shrink(), x, "nois", 0.1, generator=generator())
    with pytest.raises(InputError, match="two images"):
        prior_rise(Shrink(), x[:1], "noise", 0.1, generator=generator())
