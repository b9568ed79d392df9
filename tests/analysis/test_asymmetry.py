"""Asymmetry against dense Jacobians, on operators whose asymmetry is known, and its standard errors."""

import math

import pytest
import torch
from fields import SIZE, Linear, N, Rotated, convex_network, generator, gradient_network, images, network, symmetric

from eiwork.analysis import (
    CompleteBasis,
    RandomSigns,
    asymmetry,
    dense_jacobian,
    jacobian,
    null_space_projector,
    range_projector,
)
from eiwork.analysis.asymmetry import jackknife
from eiwork.errors import InputError
from eiwork.physics import inpainting
from eiwork_study.proximal.averaged import GroupAveraged, quarter_turns_and_flips

X = images(3)
SUBSPACES = {"whole": lambda _: None, "null space": null_space_projector, "range": range_projector}


def dense_ratio(j, c, unit):
    odd, even = (j - j.mT) / 2, (j + j.mT) / 2 - c[:, None, None] * unit
    return torch.linalg.matrix_norm(odd) / torch.linalg.matrix_norm(even)


@pytest.mark.parametrize("subspace", SUBSPACES)
def test_the_complete_basis_gives_the_dense_numbers(subspace):
    project = SUBSPACES[subspace](inpainting(SIZE, keep=0.4).double())
    unit = torch.eye(N, dtype=torch.float64)
    j = jacobian(network(), X)
    if project is not None:
        unit, j = project(unit.view(N, 1, SIZE, SIZE)).flatten(1), j.restricted(project)
    dense = unit @ dense_jacobian(network(), X) @ unit
    found = asymmetry(j, CompleteBasis())
    c = dense.diagonal(dim1=1, dim2=2).sum(dim=1) / unit.trace()
    tight = {"rtol": 1e-9, "atol": 0}
    torch.testing.assert_close(found.multiple.value, c, **tight)
    torch.testing.assert_close(found.whole.value, dense_ratio(dense, 0 * c, unit), **tight)
    torch.testing.assert_close(found.learnt.value, dense_ratio(dense, c, unit), **tight)
    assert float(found.learnt.standard_error.max()) == 0


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


def test_more_probes_are_sharper_seeds_repeat_and_unusable_settings_are_named():
    j = jacobian(network(), X)
    few, again, other = (asymmetry(j, RandomSigns(4), generator=generator(seed)).learnt for seed in (0, 0, 1))
    more = asymmetry(j, RandomSigns(64), generator=generator()).learnt
    assert float(more.standard_error.max()) < float(few.standard_error.min())
    torch.testing.assert_close(again.value, few.value)
    assert not torch.equal(other.value, few.value)
    with pytest.raises(InputError, match="generator"):
        asymmetry(j)
    with pytest.raises(InputError, match="at least two"):
        RandomSigns(1)


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
    assert float(asymmetry(jacobian(make(), X), generator=generator()).learnt.value.max()) < 1e-12


def test_the_negative_control_has_its_known_asymmetry():
    even = symmetric(0.2, 1.0)
    centred = even - even.trace() / N * torch.eye(N, dtype=torch.float64)
    found = asymmetry(jacobian(Rotated(Linear(even), 0.25), X), CompleteBasis())
    assert found.whole.value.tolist() == pytest.approx([0.25 * math.sqrt(N) / float(even.norm())] * 3, rel=1e-12)
    assert found.learnt.value.tolist() == pytest.approx([0.25 * math.sqrt(N) / float(centred.norm())] * 3, rel=1e-12)


def test_float32_sees_the_learnt_part_of_a_network_near_the_identity():
    exact = asymmetry(jacobian(network(strength=0.1), X), CompleteBasis()).learnt.value
    found = asymmetry(jacobian(network(strength=0.1).float(), X.float()), CompleteBasis()).learnt.value
    torch.testing.assert_close(found, exact, rtol=1e-2, atol=0)


def test_the_jackknife_gives_the_standard_error_of_a_mean_and_covers_a_ratio():
    draws = torch.randn(20, 3, 1, dtype=torch.float64, generator=generator())
    estimate = jackknife(lambda m: m[..., 0], draws)
    torch.testing.assert_close(estimate.value, draws.mean(dim=0)[:, 0])
    torch.testing.assert_close(estimate.standard_error, draws.std(dim=0)[:, 0] / math.sqrt(20))
    draws = 1 + torch.rand(50, 2000, 2, dtype=torch.float64, generator=generator())
    estimate = jackknife(lambda m: (m[..., 0] / m[..., 1]).sqrt(), draws)
    inside = (estimate.value - 1).abs() < 1.96 * estimate.standard_error
    assert 0.92 < float(inside.double().mean()) < 0.97
    with pytest.raises(InputError, match="two random draws"):
        jackknife(lambda m: m[..., 0], draws[:1])
