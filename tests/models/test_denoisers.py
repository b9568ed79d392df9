"""The convolutional denoisers and their average over a group: formulas, scale at the start, options, errors."""

import pytest
import torch

from eiwork.analysis import dense_jacobian
from eiwork.errors import InputError
from eiwork.models import ResidualBlockCNN, ResidualCNN
from eiwork_study.proximal.averaged import GroupAveraged, quarter_turns_and_flips

X = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
BOTH = (ResidualCNN, ResidualBlockCNN)
KINDS = pytest.mark.parametrize("kind", BOTH)


def last(denoiser):
    return denoiser.network[-1] if isinstance(denoiser, ResidualCNN) else denoiser.last


def strong(kind=ResidualCNN, **options):
    torch.manual_seed(0)
    denoiser = kind(1, width=4, **options).double()
    with torch.no_grad():
        last(denoiser).weight.mul_(100)
    return denoiser


@KINDS
def test_with_the_network_silenced_it_is_a_shrinkage_and_at_the_start_close_to_it(kind):
    x = torch.rand(3, 2, 8, 8)
    denoiser = kind(2, width=4, shrinkage=0.25)
    with torch.no_grad():
        assert 0 < float((denoiser(x) - 0.75 * x).norm() / x.norm()) < 0.05
        last(denoiser).weight.zero_()
    torch.testing.assert_close(denoiser(x), 0.75 * x)


@KINDS
@pytest.mark.parametrize("options", [{"width": 6}, {"deeper": 3}, {"unshuffle": 4}, {"shrinkage": 0.2}], ids=str)
def test_every_option_changes_the_output(kind, options):
    deeper = "depth" if kind is ResidualCNN else "blocks"
    outputs = []
    for chosen in ({"width": 4, "deeper": 2}, {"width": 4, "deeper": 2} | options):
        torch.manual_seed(0)
        outputs.append(kind(1, **{deeper if key == "deeper" else key: n for key, n in chosen.items()})(X.float()))
    assert not torch.allclose(*outputs)


@KINDS
def test_samples_do_not_mix_and_can_be_mapped_over(kind):
    denoiser = strong(kind)
    torch.testing.assert_close(denoiser(X)[2:3], denoiser(X[2:3]))
    torch.testing.assert_close(torch.vmap(lambda z: denoiser(z[None])[0])(X), denoiser(X))


def test_gradients_reach_the_first_layer_of_residual_blocks_at_full_strength():
    torch.manual_seed(0)
    x, target = torch.rand(4, 1, 16, 16), torch.rand(4, 1, 16, 16)
    ratios = []
    for denoiser in (ResidualBlockCNN(width=16), ResidualCNN(width=16)):
        (denoiser(x) - target).square().mean().backward()
        first = denoiser.network[0] if isinstance(denoiser, ResidualCNN) else denoiser.first
        # Relative to the last layer's weights, which both start small.
        ratios.append(float(first.weight.grad.norm() / last(denoiser).weight.detach().norm()))
    assert ratios[0] > 20 * ratios[1]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ResidualCNN(depth=1), "depth=1"),
        (lambda: ResidualBlockCNN(blocks=0), "blocks=0"),
        *((lambda kind=kind: kind(shrinkage=1.0), "shrinkage=1.0") for kind in BOTH),
        *((lambda kind=kind: kind(width=0), "width=0") for kind in BOTH),
        *((lambda kind=kind: kind()(torch.rand(1, 1, 9, 8)), "multiples of 2") for kind in BOTH),
        *((lambda kind=kind: kind()(torch.rand(1, 2, 8, 8)), "2 channels") for kind in BOTH),
        (lambda: GroupAveraged(strong(), ()), "at least one element"),
    ],
)
def test_unusable_options_and_images_are_named(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_the_eight_elements_are_a_group_with_their_inverses():
    elements = quarter_turns_and_flips()
    moved = [there(X) for there, _ in elements]
    assert all(not torch.equal(a, b) for i, a in enumerate(moved) for b in moved[:i])
    assert all(torch.equal(back(image), X) for (_, back), image in zip(elements, moved, strict=True))
    for there, _ in elements:
        for other, _ in elements:
            assert sum(torch.equal(there(other(X)), image) for image in moved) == 1


def test_the_average_over_a_group_is_the_mean_and_equivariant_to_that_group_alone():
    network, elements = strong(depth=3), quarter_turns_and_flips()
    averaged = GroupAveraged(network, elements)
    by_hand = torch.stack([back(network(there(X))) for there, back in elements]).mean(dim=0)
    torch.testing.assert_close(averaged(X), by_hand)
    for there, _ in elements:
        torch.testing.assert_close(averaged(there(X)), there(averaged(X)))
    torch.testing.assert_close(averaged(X)[1:2], averaged(X[1:2]))
    assert not torch.allclose(network(X.flip(-1)), network(X).flip(-1))
    turns = GroupAveraged(network, elements[:4])
    torch.testing.assert_close(turns(torch.rot90(X, 1, (-2, -1))), torch.rot90(turns(X), 1, (-2, -1)))
    assert not torch.allclose(turns(X.flip(-1)), turns(X).flip(-1))
    jacobian = dense_jacobian(averaged, X)
    assert float((jacobian - jacobian.mT).norm()) > 1e-3, "averaging makes no Jacobian symmetric"
