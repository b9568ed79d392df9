"""ResidualBlockCNN: its formula, its scale, its options, its errors."""

import pytest
import torch

from eiwork.errors import InputError
from eiwork.models import ResidualBlockCNN, ResidualCNN


def test_with_the_network_silenced_it_is_a_shrinkage():
    denoiser = ResidualBlockCNN(2, width=4, blocks=1, shrinkage=0.25)
    with torch.no_grad():
        denoiser.last.weight.zero_()
    x = torch.rand(3, 2, 8, 8)
    torch.testing.assert_close(denoiser(x), 0.75 * x)


def test_it_starts_close_to_the_shrinkage():
    torch.manual_seed(0)
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        out = ResidualBlockCNN(shrinkage=0.1)(x)
    assert 0 < float((out - 0.9 * x).norm() / x.norm()) < 0.05


def test_gradients_reach_the_first_layer_at_full_strength():
    torch.manual_seed(0)
    x, target = torch.rand(4, 1, 16, 16), torch.rand(4, 1, 16, 16)
    ratios = []
    for denoiser, first, last in (
        ((d := ResidualBlockCNN(width=16)), d.first, d.last),
        ((d := ResidualCNN(width=16)), d.network[0], d.network[-1]),
    ):
        (denoiser(x) - target).square().mean().backward()
        # Relative to the last layer's weights, which both start small.
        ratios.append(float(first.weight.grad.norm() / last.weight.detach().norm()))
    assert ratios[0] > 20 * ratios[1]


@pytest.mark.parametrize("options", [{"width": 6}, {"blocks": 2}, {"unshuffle": 4}, {"shrinkage": 0.2}], ids=str)
def test_every_option_changes_the_output(options):
    x = torch.rand(1, 1, 16, 16)
    outputs = []
    for extra in ({}, options):
        torch.manual_seed(0)
        outputs.append(ResidualBlockCNN(1, **({"width": 4, "blocks": 1} | extra))(x))
    assert not torch.allclose(*outputs)


def test_samples_do_not_mix():
    denoiser = ResidualBlockCNN(1, width=4)
    x = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(denoiser(x)[2:3], denoiser(x[2:3]))


def test_it_can_be_mapped_over_samples():
    denoiser = ResidualBlockCNN(1, width=4).double()
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    mapped = torch.vmap(lambda z: denoiser(z[None])[0])(x)
    torch.testing.assert_close(mapped, denoiser(x))


@pytest.mark.parametrize(
    ("options", "match"),
    [({"blocks": 0}, "blocks=0"), ({"shrinkage": 1.0}, "shrinkage=1.0"), ({"width": 0}, "width=0")],
)
def test_unusable_options_are_named(options, match):
    with pytest.raises(InputError, match=match):
        ResidualBlockCNN(**options)


def test_sides_that_cannot_be_unshuffled_are_refused():
    with pytest.raises(InputError, match="multiples of 2"):
        ResidualBlockCNN()(torch.rand(1, 1, 9, 8))
