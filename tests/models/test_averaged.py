"""Averaging over a group: equivariant, a gradient if the denoiser is one, and the right group."""

import pytest
import torch

from eiwork.analysis import dense_jacobian
from eiwork.errors import InputError
from eiwork.models import GroupAveraged, ResidualCNN, quarter_turns_and_flips

X = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def network():
    torch.manual_seed(0)
    cnn = ResidualCNN(1, width=4, depth=3).double()
    with torch.no_grad():
        cnn.network[-1].weight.mul_(100)
    return cnn


def test_the_eight_elements_are_a_group_with_their_inverses():
    elements = quarter_turns_and_flips()
    moved = [there(X) for there, _ in elements]
    assert all(not torch.equal(a, b) for i, a in enumerate(moved) for b in moved[:i])
    assert all(torch.equal(back(image), X) for (_, back), image in zip(elements, moved, strict=True))
    for there, _ in elements:
        for other, _ in elements:
            assert sum(torch.equal(there(other(X)), image) for image in moved) == 1


def test_it_is_the_mean_and_equivariant():
    averaged, elements = GroupAveraged(network(), quarter_turns_and_flips()), quarter_turns_and_flips()
    by_hand = torch.stack([back(network()(there(X))) for there, back in elements]).mean(dim=0)
    torch.testing.assert_close(averaged(X), by_hand)
    for there, _ in elements:
        torch.testing.assert_close(averaged(there(X)), there(averaged(X)))
    assert not torch.allclose(network()(X.flip(-1)), network()(X).flip(-1))


def test_fewer_elements_average_less():
    some = GroupAveraged(network(), quarter_turns_and_flips()[:4])
    torch.testing.assert_close(some(torch.rot90(X, 1, (-2, -1))), torch.rot90(some(X), 1, (-2, -1)))
    assert not torch.allclose(some(X.flip(-1)), some(X).flip(-1))


def test_averaging_a_shrinkage_changes_nothing_and_mixes_no_samples():
    shrinkage = network()
    with torch.no_grad():
        shrinkage.network[-1].weight.zero_()
    torch.testing.assert_close(GroupAveraged(shrinkage, quarter_turns_and_flips())(X), 0.9 * X)
    averaged = GroupAveraged(network(), quarter_turns_and_flips())
    torch.testing.assert_close(averaged(X)[1:2], averaged(X[1:2]))


def test_averaging_makes_a_jacobian_neither_symmetric_nor_less_equivariant():
    j = dense_jacobian(GroupAveraged(network(), quarter_turns_and_flips()), X)
    assert float((j - j.mT).norm()) > 1e-3


def test_an_empty_group_is_refused():
    with pytest.raises(InputError, match="at least one element"):
        GroupAveraged(network(), ())
