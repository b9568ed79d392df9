"""Asymmetry against dense Jacobians, and on operators whose asymmetry is known."""

import math

import pytest
import torch
from fields import SIZE, Linear, N, convex_network, generator, gradient_network, images, network, symmetric

from eiwork.analysis import (
    CompleteBasis,
    RandomSigns,
    RotatedField,
    asymmetry,
    asymmetry_norm,
    dense_jacobian,
    jacobian,
    null_space_projector,
    range_projector,
)
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.models import GroupAveraged, quarter_turns_and_flips
from eiwork.physics import inpainting

X = images(3)
ROTATED = RotatedField(Linear(symmetric(0.2, 1.0)), 0.25, (1, SIZE, SIZE), generator())


def projected(project):
    basis = torch.eye(N, dtype=torch.float64).view(N, 1, SIZE, SIZE)
    return torch.eye(N, dtype=torch.float64) if project is None else project(basis).flatten(1)


def dense_ratio(j, c, unit, order):
    norm = torch.linalg.matrix_norm
    odd, even = (j - j.mT) / 2, (j + j.mT) / 2 - c[:, None, None] * unit
    return norm(odd, order) / norm(even, order)


SUBSPACES = {"whole": lambda _: None, "null space": null_space_projector, "range": range_projector}


@pytest.mark.parametrize("subspace", SUBSPACES)
def test_the_complete_basis_gives_the_dense_numbers(subspace):
    project = SUBSPACES[subspace](inpainting(SIZE, keep=0.4).double())
    unit = projected(project)
    dense = unit @ dense_jacobian(network(), X) @ unit
    j = jacobian(network(), X) if project is None else jacobian(network(), X).restricted(project)
    found = asymmetry(j, CompleteBasis())
    c = dense.diagonal(dim1=1, dim2=2).sum(dim=1) / unit.trace()
    tight = {"rtol": 1e-9, "atol": 0}
    torch.testing.assert_close(found.multiple.value, c, **tight)
    torch.testing.assert_close(found.whole.value, dense_ratio(dense, 0 * c, unit, "fro"), **tight)
    torch.testing.assert_close(found.learnt.value, dense_ratio(dense, c, unit, "fro"), **tight)
    assert float(found.learnt.standard_error.max()) == 0
    given = asymmetry(j, CompleteBasis(), multiple=0.9)
    torch.testing.assert_close(given.learnt.value, dense_ratio(dense, 0 * c + 0.9, unit, "fro"), **tight)
    assert given.multiple.value.tolist() == [0.9] * 3
    assert float((found.learnt.value - given.learnt.value).abs().min()) > 1e-6


def test_hutchinson_agrees_within_its_standard_errors():
    exact = asymmetry(jacobian(network(), X), CompleteBasis())
    many = X[:1].repeat(40, 1, 1, 1)
    found = asymmetry(jacobian(network(), many), RandomSigns(12), generator=generator())
    for name in ("whole", "learnt", "multiple"):
        estimate, truth = getattr(found, name), getattr(exact, name).value[0]
        errors = (estimate.value - truth) / estimate.standard_error
        # 40 independent estimates, each of 12 probes.
        assert float(errors.mean().abs()) < 4 / math.sqrt(40)
        assert 0.6 < float(errors.square().mean().sqrt()) < 1.7


def test_more_probes_are_sharper_and_seeds_repeat():
    j = jacobian(network(), X)
    few = asymmetry(j, RandomSigns(4), generator=generator())
    more = asymmetry(j, RandomSigns(64), generator=generator())
    assert float(more.learnt.standard_error.max()) < float(few.learnt.standard_error.min())
    torch.testing.assert_close(asymmetry(j, RandomSigns(4), generator=generator()).learnt.value, few.learnt.value)
    assert not torch.equal(asymmetry(j, RandomSigns(4), generator=generator(1)).learnt.value, few.learnt.value)


@pytest.mark.parametrize(
    "make",
    [
        gradient_network,
        convex_network,
        lambda: GroupAveraged(gradient_network(), quarter_turns_and_flips()),
        lambda: Linear(symmetric(-0.5, 1.5)),
    ],
    ids=["gradient step", "convex", "averaged gradient", "linear"],
)
def test_the_positive_controls_are_symmetric(make):
    j = jacobian(make(), X)
    found = asymmetry(j, generator=generator())
    assert float(found.learnt.value.max()) < 1e-12
    norm = asymmetry_norm(j, found.multiple.value, generator=generator(), tol=0.1)
    assert float(norm.learnt.max()) < 1e-12


def test_the_negative_control_has_its_known_asymmetry():
    j = jacobian(ROTATED, X)
    even = symmetric(0.2, 1.0)
    expected = 0.25 * math.sqrt(N) / float(even.norm())
    centred = float((even - even.trace() / N * torch.eye(N, dtype=torch.float64)).norm())
    found = asymmetry(j, CompleteBasis())
    assert found.whole.value.tolist() == pytest.approx([expected] * 3, rel=1e-12)
    assert found.learnt.value.tolist() == pytest.approx([0.25 * math.sqrt(N) / centred] * 3, rel=1e-12)
    norm = asymmetry_norm(j, 0.6, generator=generator(), tol=1e-8, max_size=N)
    # Spectral norms: 0.25 of the rotation, 1.0 of the symmetric part, 0.4 without 0.6 of the identity.
    assert norm.whole.tolist() == pytest.approx([0.25] * 3, rel=1e-9)
    assert norm.learnt.tolist() == pytest.approx([0.25 / 0.4] * 3, rel=1e-9)


@pytest.mark.parametrize("subspace", SUBSPACES)
def test_operator_norms_equal_the_dense_ones(subspace):
    project = SUBSPACES[subspace](inpainting(SIZE, keep=0.4).double())
    unit = projected(project)
    dense = unit @ dense_jacobian(network(), X) @ unit
    j = jacobian(network(), X) if project is None else jacobian(network(), X).restricted(project)
    c = torch.full((3,), 0.9, dtype=torch.float64)
    found = asymmetry_norm(j, c, generator=generator(), tol=1e-7, max_size=N)
    torch.testing.assert_close(found.whole, dense_ratio(dense, 0 * c, unit, 2), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.learnt, dense_ratio(dense, c, unit, 2), rtol=1e-6, atol=0)


def test_float32_sees_the_learnt_part_of_a_network_near_the_identity():
    exact = asymmetry(jacobian(network(strength=0.1), X), CompleteBasis()).learnt.value
    found = asymmetry(jacobian(network(strength=0.1).float(), X.float()), CompleteBasis()).learnt.value
    torch.testing.assert_close(found, exact, rtol=1e-2, atol=0)


def test_unusable_settings_are_named():
    j = jacobian(network(), X)
    with pytest.raises(InputError, match="generator"):
        asymmetry(j)
    with pytest.raises(InputError, match="at least two"):
        RandomSigns(1)
    with pytest.raises(InputError, match="tol"):
        asymmetry_norm(j, 0.9, generator=generator(), tol=0.0)
    with pytest.warns(ConvergenceWarning, match="dimension 3"):
        asymmetry_norm(j, 0.9, generator=generator(), tol=1e-9, max_size=3)
