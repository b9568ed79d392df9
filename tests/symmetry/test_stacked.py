"""M = mean of T_g^T A^T A T_g against matrices written out, and against theory."""

import itertools

import deepinv
import pytest
import torch
from dense_algebra import stacked_matrix

from eiwork.physics import inpainting, mri, tomography
from eiwork.symmetry import Reflection, Rotation, Shift, StackedOperator, group_elements


def stack(physics, transform, size, limit=5000):
    elements = group_elements(transform, size, size, limit=limit)
    return StackedOperator(physics=physics.double(), transform=transform, elements=elements)


def test_the_matrix_is_the_gram_matrix_of_the_stack():
    physics = tomography(6, 3)
    operator = stack(physics, Rotation("bilinear", multiples_of=45), 6)
    eye = torch.eye(36, dtype=torch.float64).view(36, 1, 6, 6)
    rows = torch.cat([y.flatten(1) for y in operator.measure(eye)], dim=1).T
    torch.testing.assert_close(stacked_matrix(operator, (1, 6, 6)), rows.T @ rows)


def test_images_may_have_elements_of_their_own():
    physics, transform = inpainting(6, keep=0.4).double(), Shift()
    x = torch.rand(3, 1, 6, 6, dtype=torch.float64)
    elements = [transform.get_params(x) for _ in range(4)]
    together = StackedOperator(physics=physics, transform=transform, elements=elements).normal(x)
    for i in range(3):
        own = [{name: p[:, [i]] for name, p in g.items()} for g in elements]
        alone = StackedOperator(physics=physics, transform=transform, elements=own).normal(x[[i]])
        torch.testing.assert_close(together[[i]], alone)


@pytest.mark.parametrize("transform", [Rotation("fourier"), Shift() * Reflection(), Rotation(multiples_of=90)])
def test_elements_transformed_together_give_the_mean_of_each_alone(transform, monkeypatch):
    x = torch.rand(3, 1, 6, 6, dtype=torch.float64)
    operator = stack(tomography(6, 3), transform, 6, limit=7)
    calls = []
    real = transform.transform
    monkeypatch.setattr(transform, "transform", lambda u, **g: calls.append(1) or real(u, **g))
    together, n_calls = operator.normal(x), len(calls)
    monkeypatch.setattr("eiwork.symmetry.stacked._AT_ONCE", 1)
    torch.testing.assert_close(together, operator.normal(x))
    assert n_calls == 1
    assert len(calls) == 1 + len(operator.elements)


@pytest.mark.parametrize("side", [8, 9])
def test_quarter_turns_turn_the_mask_of_cartesian_mri(side):
    physics = mri(side, acceleration=4)
    columns = physics.mask.double().reshape(-1, side, side)[0]
    m = stacked_matrix(stack(physics, Rotation(multiples_of=90), side), (2, side, side))
    middle = side // 2
    at = {f - middle: float(columns[0, f]) for f in range(side)}
    # The highest frequency of an even side is its own opposite.
    at.setdefault(middle, at[-middle])
    shares = [
        (at[u] + at[v] + at[-u] + at[-v]) / 4 for u, v in itertools.product(range(-middle, side - middle), repeat=2)
    ]
    expected = torch.tensor(sorted(shares * 2), dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(m), expected, rtol=0, atol=1e-6)


def test_deepinvs_transforms_can_be_stacked():
    m = stacked_matrix(stack(inpainting(6, keep=0.5), deepinv.transform.Shift(), 6, limit=3), (1, 6, 6))
    torch.testing.assert_close(m, torch.diag(m.diagonal()))
    assert m.trace() == pytest.approx(18.0)
