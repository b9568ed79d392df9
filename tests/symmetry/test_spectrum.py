"""Spectra by products alone against dense ones, and against known spectra."""

import math

import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import inpainting, mri, tomography
from eiwork.symmetry import (
    Identity,
    Reflection,
    Rotation,
    Shift,
    StackedOperator,
    dense_spectrum,
    group_elements,
    krylov_spectrum,
)

SIZE = 24
CASES = {
    "CT, rotations": (tomography(SIZE, 6), Rotation("fourier"), 1),
    "CT, shifts": (tomography(SIZE, 6), Shift(), 1),
    "inpainting, rotations": (inpainting(SIZE, keep=0.3), Rotation("bicubic"), 1),
    "inpainting, flips": (inpainting(SIZE, keep=0.3), Reflection(), 1),
    "MRI, quarter turns": (mri(SIZE, acceleration=4), Rotation(multiples_of=90), 2),
}


def stack(physics, transform, size=SIZE, limit=12):
    elements = group_elements(transform, size, size, limit=limit)
    return StackedOperator(physics=physics.double(), transform=transform, elements=elements)


@pytest.mark.parametrize("case", CASES)
def test_the_krylov_spectrum_is_the_dense_one_at_24x24(case):
    physics, transform, channels = CASES[case]
    operator, shape = stack(physics, transform), (channels, SIZE, SIZE)
    dense = dense_spectrum(operator, shape)
    krylov = krylov_spectrum(operator, shape, steps=channels * SIZE**2 // 8 + 8)
    largest = float(dense.eigenvalues[-1])
    assert float(krylov.eigenvalues[-1]) == pytest.approx(largest, rel=1e-9)
    assert (krylov.residuals < 1e-6 * largest).all(), "the Krylov space is exhausted"
    # Each eigenvalue found is one, and each distinct one is found.
    distances = (krylov.eigenvalues[:, None] - dense.eigenvalues).abs()
    assert distances.min(dim=1).values.max() < 1e-6 * largest
    assert distances.min(dim=0).values.max() < 1e-6 * largest
    if krylov.is_exact:
        torch.testing.assert_close(krylov.eigenvalues, dense.eigenvalues, rtol=1e-6, atol=1e-12)
        assert krylov.condition_number == pytest.approx(dense.condition_number, rel=1e-6)
    else:
        assert math.isinf(krylov.condition_number) == math.isinf(dense.condition_number)


def test_some_of_these_spectra_have_no_multiple_eigenvalues():
    physics, transform, _ = CASES["CT, rotations"]
    assert krylov_spectrum(stack(physics, transform), (1, SIZE, SIZE), steps=80).is_exact


def test_a_few_products_give_the_largest_eigenvalues_with_honest_error_bars():
    operator = stack(*CASES["CT, rotations"][:2])
    dense = dense_spectrum(operator, (1, SIZE, SIZE)).eigenvalues
    found = krylov_spectrum(operator, (1, SIZE, SIZE), steps=20)
    nearest = (found.eigenvalues[:, None] - dense).abs().min(dim=1).values
    assert (nearest <= found.residuals + 1e-12).all()
    torch.testing.assert_close(found.eigenvalues[-5:], dense[-5:], rtol=1e-6, atol=0)
    assert found.residuals[0] > 1e-9, "not everything can be known after 20 products"
    assert found.condition_number < math.sqrt(float(dense[-1] / dense[0]))


def test_shares_and_ranks_are_estimated_within_their_standard_errors():
    for case in ("inpainting, flips", "MRI, quarter turns", "CT, rotations"):
        physics, transform, channels = CASES[case]
        operator, shape = stack(physics, transform), (channels, SIZE, SIZE)
        dense, found = dense_spectrum(operator, shape), krylov_spectrum(operator, shape, steps=20, probes=16)
        for threshold in (1e-2, 0.3):
            share, none = dense.share_above(threshold)
            estimate, error = found.share_above(threshold)
            assert none == 0
            assert abs(estimate - share) < 4 * error + 0.01
        if "flips" in case or "MRI" in case:
            assert abs(found.rank()[0] - dense.rank()[0]) < 4 * found.rank()[1]


def test_known_ranks_and_condition_numbers():
    whole = 5000
    masked = inpainting(8, keep=0.25)
    assert dense_spectrum(stack(masked, Identity(), 8), (1, 8, 8)).rank() == (16.0, 0.0)
    shifted = dense_spectrum(stack(masked, Shift(), 8, whole), (1, 8, 8))
    assert shifted.rank() == (64.0, 0.0)
    assert shifted.condition_number == pytest.approx(1.0)
    torch.testing.assert_close(shifted.singular_values, torch.full((64,), 0.5, dtype=torch.float64))
    scan = mri(8, acceleration=4)
    for transform in (Identity(), Shift()):
        spectrum = dense_spectrum(stack(scan, transform, 8, whole), (2, 8, 8))
        assert spectrum.rank(1e-6) == (32.0, 0.0)


def test_the_seed_fixes_the_spectrum():
    operator = stack(*CASES["CT, shifts"][:2])
    first, again, other = (
        krylov_spectrum(operator, (1, SIZE, SIZE), steps=3, seed=seed).eigenvalues for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_useless_settings_are_refused():
    operator = stack(*CASES["inpainting, flips"][:2])
    for change in ({"steps": 0}, {"probes": 1}):
        with pytest.raises(InputError, match=next(iter(change))):
            krylov_spectrum(operator, (1, SIZE, SIZE), **change)
