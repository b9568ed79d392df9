"""M = mean of T_g^T A^T A T_g against matrices written out, and against theory."""

import itertools

import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import inpainting, mri, tomography
from eiwork.symmetry import Identity, Reflection, Rotation, Shift, StackedOperator, group_elements, krylov_spectrum


def stack(physics, transform, size, limit=5000):
    elements = group_elements(transform, size, size, limit=limit)
    return StackedOperator(physics=physics.double(), transform=transform, elements=elements)


def test_the_matrix_is_the_gram_matrix_of_the_stack():
    physics = tomography(6, 3)
    operator = stack(physics, Rotation("bilinear", multiples_of=45), 6)
    eye = torch.eye(36, dtype=torch.float64).view(36, 1, 6, 6)
    rows = torch.cat([y.flatten(1) for y in operator.measure(eye)], dim=1).T
    torch.testing.assert_close(operator.matrix((1, 6, 6)), rows.T @ rows)


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


def test_shifts_tell_cartesian_mri_nothing_new():
    physics = mri(6, acceleration=2)
    alone, shifted = (stack(physics, group, 6).matrix((2, 6, 6)) for group in (Identity(), Shift()))
    torch.testing.assert_close(shifted, alone, rtol=0, atol=1e-6)


def test_shifts_show_every_pixel_of_an_inpainting_scan_equally():
    m = stack(inpainting(6, keep=0.25), Shift(), 6).matrix((1, 6, 6))
    torch.testing.assert_close(m, 0.25 * torch.eye(36, dtype=torch.float64))


def test_flips_show_the_pixels_whose_mirror_images_are_measured():
    physics = inpainting(6, keep=0.25)
    mask = physics.mask.double()[0, 0]
    seen = sum(mask.flip(axes) for axes in ((), (0,), (1,), (0, 1))) / 4
    m = stack(physics, Reflection(), 6).matrix((1, 6, 6))
    torch.testing.assert_close(m, torch.diag(seen.flatten()))


@pytest.mark.parametrize("side", [8, 9])
def test_quarter_turns_turn_the_mask_of_cartesian_mri(side):
    physics = mri(side, acceleration=4)
    columns = physics.mask.double().reshape(-1, side, side)[0]
    m = stack(physics, Rotation(multiples_of=90), side).matrix((2, side, side))
    middle = side // 2
    at = {f - middle: float(columns[0, f]) for f in range(side)}
    # The highest frequency of an even side is its own opposite.
    at.setdefault(middle, at[-middle])
    shares = [
        (at[u] + at[v] + at[-u] + at[-v]) / 4 for u, v in itertools.product(range(-middle, side - middle), repeat=2)
    ]
    expected = torch.tensor(sorted(shares * 2), dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(m), expected, rtol=0, atol=1e-6)


def test_turning_a_scan_into_itself_changes_nothing():
    physics = tomography(8, 4)
    for transform in (Rotation(multiples_of=90), Reflection()):
        alone, turned = (stack(physics, group, 8).matrix((1, 8, 8)) for group in (Identity(), transform))
        torch.testing.assert_close(turned, alone)


def test_deepinvs_transforms_can_be_stacked():
    import deepinv

    transform = deepinv.transform.Shift()
    elements = group_elements(transform, 6, 6, limit=3)
    physics = inpainting(6, keep=0.5).double()
    m = StackedOperator(physics=physics, transform=transform, elements=elements).matrix((1, 6, 6))
    torch.testing.assert_close(m, torch.diag(m.diagonal()))
    assert m.trace() == pytest.approx(18.0)


def test_no_elements_and_too_many_pixels_are_refused():
    physics = inpainting(4, keep=0.5).double()
    with pytest.raises(InputError, match="at least one group element"):
        StackedOperator(physics=physics, transform=Shift(), elements=[])
    with pytest.raises(InputError, match="krylov_spectrum"):
        stack(physics, Identity(), 4).matrix((1, 128, 128))


CASES = {
    "CT, rotations": (tomography(24, 6), Rotation("fourier"), 1),
    "inpainting, rotations": (inpainting(24, keep=0.3), Rotation("bilinear"), 1),
    "inpainting, flips": (inpainting(24, keep=0.3), Reflection(), 1),
    "MRI, quarter turns": (mri(24, acceleration=4), Rotation(multiples_of=90), 2),
}


@pytest.mark.parametrize("case", CASES)
def test_the_krylov_spectrum_is_the_dense_one(case):
    physics, transform, channels = CASES[case]
    operator, shape = stack(physics, transform, 24, limit=12), (channels, 24, 24)
    dense = torch.linalg.eigvalsh(operator.matrix(shape))
    whole = krylov_spectrum(operator, shape, steps=channels * 24**2 // 8 + 8).eigenvalues
    # Each eigenvalue found is one, and each distinct one is found.
    distances = (whole[:, None] - dense).abs()
    assert max(distances.min(dim=1).values.max(), distances.min(dim=0).values.max()) < 1e-6 * dense[-1]
    part = krylov_spectrum(operator, shape, steps=20, probes=16)
    assert float(part.eigenvalues[-1]) == pytest.approx(float(dense[-1]), rel=1e-6)
    torch.testing.assert_close(part.weights.sum(dim=1), torch.ones(16, dtype=torch.float64))
    for threshold in (1e-2, 0.3):
        estimate, error = part.share_above(threshold)
        assert abs(estimate - float((dense > threshold).double().mean())) < 4 * error + 0.01
        assert error < 0.05


def test_the_seed_fixes_the_spectrum_and_useless_settings_are_refused():
    operator, shape = stack(inpainting(6, keep=0.4), Shift(), 6, limit=4), (1, 6, 6)
    first, again, other = (krylov_spectrum(operator, shape, steps=3, seed=s).eigenvalues for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for change in ({"steps": 0}, {"probes": 1}):
        with pytest.raises(InputError, match=next(iter(change))):
            krylov_spectrum(operator, shape, **change)
