"""The score against its definition written out with dense matrices, and against what theory knows."""

import pytest
import torch
from deepinv.physics import LinearPhysics
from dense_algebra import randn, stacked_matrix

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.physics import inpainting, mri, real_to_complex, tomography
from eiwork.symmetry import (
    Identity,
    Reflection,
    Rotation,
    Shift,
    StackedOperator,
    group_elements,
    identifiability,
    visible_part,
)
from eiwork.symmetry.stacked import invisible_part, squared_norm_of


def images(size, n=6, cutoff=0.3):
    """Random images of at most `cutoff` cycles per pixel that fade out inside a disc."""
    f, place = torch.fft.fftfreq(size, dtype=torch.float64), torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    noise = torch.fft.fft2(randn(n, 1, size, size)) * (torch.hypot(f[:, None], f) <= cutoff)
    radius = torch.hypot(place[:, None], place) / (0.4 * size)
    return torch.fft.ifft2(noise).real * (1 + torch.cos(torch.pi * radius.clamp(max=1))) / 2


def stack(physics, transform, size, limit=32):
    elements = group_elements(transform, size, size, limit=limit)
    return StackedOperator(physics=physics, transform=transform, elements=elements)


def dense_score(physics, transform, x, regularisation=1e-3):
    """The definition in the docstring, with eigendecompositions."""
    shape = tuple(x.shape[1:])
    size = shape[-1]
    m, h = (stacked_matrix(stack(physics, group, size), shape) for group in (transform, Identity()))
    shift = regularisation * torch.linalg.eigvalsh(h)[-1]
    eye = torch.eye(len(m), dtype=torch.float64)
    v_m, v_h = (b @ torch.linalg.inv(b + shift * eye) for b in (m, h))
    centred = (x - x.mean(dim=0)).flatten(1)
    lost = centred @ (eye - v_h)
    seen, own, energy = ((lost @ v * lost).sum() for v in (v_m, v_h, eye))
    return float((seen - own) / (energy - own)), float(energy / centred.square().sum())


@pytest.mark.parametrize("transform", [Rotation("bilinear", multiples_of=45), Reflection(), Identity()])
def test_it_is_its_definition(transform):
    physics, x = tomography(10, 3).double(), images(10)
    found = identifiability(physics, transform, x, tol=1e-6)
    score, lost = dense_score(physics, transform, x)
    assert found.score == pytest.approx(score, abs=2e-6)
    assert found.bounds[0] - 1e-9 <= score <= found.bounds[1] + 1e-9
    assert found.lost_share == pytest.approx(lost, rel=1e-5)


def test_the_bounds_of_a_hasty_quadrature_hold():
    physics, x, transform = tomography(12, 3).double(), images(12), Rotation("fourier", multiples_of=20)
    found = identifiability(physics, transform, x, tol=0.1)
    score, _ = dense_score(physics, transform, x)
    assert found.bounds[0] <= score <= found.bounds[1]
    assert found.bounds[1] - found.bounds[0] > 1e-4
    assert found.steps < identifiability(physics, transform, x, tol=1e-5).steps


def test_shifts_teach_nothing_about_cartesian_mri():
    physics, x = mri(16, acceleration=4).double(), real_to_complex(images(16))
    assert identifiability(physics, Shift(), x).score < 1e-6
    turned = identifiability(physics, Rotation(multiples_of=90), x).score
    free = identifiability(physics, Rotation("fourier"), x).score
    assert 0.3 < turned < free


def test_shifts_teach_all_about_inpainting_and_flips_what_their_masks_show():
    physics, x = inpainting(16, keep=0.3).double(), images(16)
    everything = 0.3 / (0.3 + 1e-3)
    whole = identifiability(physics, Shift(), x, n_elements=256)
    assert whole.score == pytest.approx(everything, abs=1e-4)
    mask = physics.mask.double()[0, 0]
    masks = [mask.flip(axes) for axes in ((), (0,), (1,), (0, 1))]
    seen = sum(masks) / 4
    lost = ((x - x.mean(dim=0)) * (1 - mask)).square().sum(dim=(0, 1))
    expected = float((lost * seen / (seen + 1e-3)).sum() / lost.sum())
    assert identifiability(physics, Reflection(), x).score == pytest.approx(expected, abs=1e-4)


def test_rotations_by_the_spacing_of_the_views_teach_little_and_less_on_finer_grids():
    """The scan is turned into itself; what is left is that pixels and bins do not turn with it."""
    scores = []
    for size in (16, 32):
        physics, x = tomography(size, 6).double(), images(size, n=3, cutoff=0.25)
        scores.append(identifiability(physics, Rotation("fourier", multiples_of=30), x).score)
        assert identifiability(physics, Rotation("fourier", multiples_of=90), x).score < 1e-3
        assert identifiability(physics, Rotation("fourier"), x, n_elements=16).score > 0.9
    assert scores[1] < 0.5 * scores[0]
    assert scores[1] < 0.1


def test_every_image_has_its_own_elements_and_the_seed_fixes_them():
    physics, x = tomography(12, 3).double(), images(12)
    first, again, other = (
        identifiability(physics, Rotation("fourier"), x, n_elements=4, seed=seed) for seed in (0, 0, 1)
    )
    assert first.score == again.score
    assert first.score != other.score
    assert abs(first.score - other.score) < 5 * max(first.standard_error, other.standard_error)
    more = identifiability(physics, Rotation("fourier"), x, n_elements=16)
    assert more.score > first.score, "more operators see more"


def test_the_standard_error_shrinks_with_the_number_of_images():
    physics = inpainting(12, keep=0.4).double()
    few, many = (identifiability(physics, Reflection(), images(12, n)) for n in (5, 80))
    assert many.standard_error < 0.6 * few.standard_error
    assert abs(few.score - many.score) < 4 * few.standard_error


def test_the_regularisation_says_what_counts_as_seen():
    physics, x = tomography(12, 3).double(), images(12)
    strict, lenient = (identifiability(physics, Rotation("fourier"), x, regularisation=r) for r in (0.1, 1e-4))
    assert strict.lost_share > lenient.lost_share
    assert strict.score < lenient.score


def test_the_scale_of_the_operator_does_not_matter():
    x = images(12)
    physics = tomography(12, 3).double()
    assert squared_norm_of(physics, (1, 12, 12)) == pytest.approx(1.0, rel=1e-3)
    louder = LinearPhysics(A=lambda x: 7 * physics.A(x), A_adjoint=lambda y: 7 * physics.A_adjoint(y))
    loud, plain = (identifiability(p, Rotation(multiples_of=90) * Shift(0.2), x) for p in (louder, physics))
    assert loud.score == pytest.approx(plain.score, rel=1e-6)


def test_visible_and_invisible_part_add_up_and_are_those_of_the_mask():
    physics, x = inpainting(12, keep=0.3).double(), images(12)
    operator = stack(physics, Reflection(), 12)
    seen = stacked_matrix(operator, (1, 12, 12)).diagonal().view(12, 12)
    visible = visible_part(x, operator, regularisation=1e-2)
    torch.testing.assert_close(visible, x * seen / (seen + 1e-2), rtol=0, atol=1e-4)
    rest = invisible_part(x, operator.normal, 1e-2)
    torch.testing.assert_close(visible + rest, x, rtol=0, atol=1e-4)
    torch.testing.assert_close(rest, x * 1e-2 / (seen + 1e-2))
    assert visible_part(x.float(), operator).dtype == torch.float32
    scale = torch.logspace(-14, 0, 144, dtype=torch.float64).view(12, 12)
    with pytest.warns(ConvergenceWarning, match="The invisible part stopped .* Raise it"):
        invisible_part(x, lambda u: u * scale, 1e-17)


def test_unusable_arguments_are_refused():
    physics, x = inpainting(8, keep=0.5).double(), images(8)
    same = x[:1].repeat(2, 1, 1, 1)
    wrong = ((x[:1], "at least 2 images"), (x[0], "images has shape"), (same, "A loses nothing of these images"))
    calls = [(Shift(), few, {}, told) for few, told in wrong]
    calls += [(Shift(), x, {name: 0}, name) for name in ("regularisation", "tol", "n_elements")]
    for transform, shown, options, told in (*calls, (Shift(n_trans=2), x, {}, "n_trans=1")):
        with pytest.raises(InputError, match=told):
            identifiability(physics, transform, shown, **options)
