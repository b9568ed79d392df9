"""ResidualCNN: its formula, its options, its errors."""

import pytest
import torch

from eiwork.errors import InputError
from eiwork.models import ResidualCNN


def test_with_the_network_silenced_it_is_a_shrinkage():
    denoiser = ResidualCNN(2, width=4, depth=2, shrinkage=0.25)
    with torch.no_grad():
        denoiser.network[-1].weight.zero_()
    x = torch.rand(3, 2, 8, 8)
    torch.testing.assert_close(denoiser(x), 0.75 * x)


def test_at_initialisation_it_is_close_to_the_shrinkage():
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        out = ResidualCNN(shrinkage=0.1)(x)
    assert 0 < float((out - 0.9 * x).norm() / x.norm()) < 0.05


@pytest.mark.parametrize("options", [{"width": 6}, {"depth": 3}, {"unshuffle": 4}, {"shrinkage": 0.2}], ids=str)
def test_every_option_changes_the_output(options):
    x = torch.rand(1, 1, 16, 16)
    outputs = []
    for extra in ({}, options):
        torch.manual_seed(0)
        outputs.append(ResidualCNN(1, **({"width": 4, "depth": 2} | extra))(x))
    assert not torch.allclose(*outputs)


def test_samples_do_not_mix():
    denoiser = ResidualCNN(1, width=4, depth=3)
    x = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(denoiser(x)[2:3], denoiser(x[2:3]))


@pytest.mark.parametrize(
    ("options", "match"),
    [({"depth": 1}, "depth=1"), ({"shrinkage": 1.0}, "shrinkage=1.0"), ({"width": 0}, "width=0")],
)
def test_unusable_options_are_named(options, match):
    with pytest.raises(InputError, match=match):
        ResidualCNN(**options)


def test_sides_that_cannot_be_unshuffled_are_refused():
    with pytest.raises(InputError, match="multiples of 2"):
        ResidualCNN()(torch.rand(1, 1, 9, 8))
