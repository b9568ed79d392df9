import pytest
import torch
from dense_algebra import dense, forward_mode, randn

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.physics import magnitude, mri, real_to_complex
from eiwork.physics.mri import column_mask


def test_single_coil_is_the_masked_centred_fourier_transform():
    physics = mri((8, 6), acceleration=2, seed=0)
    x = randn(2, 2, 8, 6)
    z = torch.complex(x[:, 0], x[:, 1])
    k = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(z, dim=(-2, -1)), norm="ortho"), dim=(-2, -1))
    mask = physics.mask[0, 0].double()
    assert mask.sum() == 3 * 8
    assert torch.equal(mask, mask[:1].expand(8, 6))
    torch.testing.assert_close(physics.A(x), torch.stack([k.real, k.imag], dim=1) * mask)
    assert torch.linalg.matrix_norm(dense(physics), 2).item() == pytest.approx(1.0)


@pytest.mark.parametrize("n_coils", [None, 1, 3])
def test_the_adjoint_is_exact_and_the_norm_at_most_one(n_coils):
    physics = mri((8, 6), acceleration=2, n_coils=n_coils)
    matrix = dense(physics)
    v = randn(1, *physics.A(randn(1, 2, 8, 6)).shape[1:], seed=1)
    torch.testing.assert_close(physics.A_adjoint(v).flatten(), matrix.t() @ v.flatten(), rtol=1e-6, atol=1e-7)
    assert torch.linalg.matrix_norm(matrix, 2) < 1 + 1e-6


@pytest.mark.parametrize("n_coils", [None, 3])
def test_a_dagger_is_the_pseudo_inverse(n_coils):
    physics = mri((8, 8), acceleration=4, center_fraction=0.1, n_coils=n_coils)
    y = physics.A(randn(2, 2, 8, 8))
    matrix = dense(physics)
    for cut in (1e-3, 0.2) if n_coils else (1e-3,):
        expected = y.flatten(1) @ torch.linalg.pinv(matrix, rtol=cut).t()
        found = physics.A_dagger(y, **({"rtol": cut} if n_coils else {}))
        torch.testing.assert_close(found.flatten(1), expected, rtol=1e-6, atol=1e-6)
    assert physics.A_dagger(y.float()).dtype == torch.float32


def test_noise_raises_the_cut_of_the_multi_coil_inverse():
    assert [mri(16, n_coils=3, noise_sigma=sigma).rtol for sigma in (0.0, 0.005, 0.3)] == pytest.approx(
        [1e-3, 0.05, 0.5]
    )
    x = real_to_complex(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    physics = mri(32, acceleration=4, n_coils=4, noise_sigma=0.02, noise_seed=0)
    y = physics(x)
    errors = [float((physics.A_dagger(y, rtol=cut) - x).norm()) for cut in (physics.rtol, 1e-3)]
    assert errors[0] < 0.5 * errors[1]
    with pytest.raises(InputError, match="rtol"):
        physics.A_dagger(y, rtol=1.5)


def test_the_inverse_of_scattered_samples_is_found_by_conjugate_gradients():
    physics = mri((8, 8), acceleration=2, center_fraction=0.25, n_coils=3)
    scattered = (torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) < 0.6).float()
    physics.update(mask=scattered.expand(1, 2, 8, 8).clone())
    y = physics.A(randn(2, 2, 8, 8))
    expected = y.flatten(1) @ torch.linalg.pinv(dense(physics), rtol=1e-5).t()
    torch.testing.assert_close(physics.A_dagger(y, rtol=1e-5).flatten(1), expected, rtol=1e-4, atol=1e-4)
    physics.max_iter = 1
    with pytest.warns(ConvergenceWarning, match="stopped after 1 conjugate"):
        physics.A_dagger(y)


def test_more_coils_determine_more():
    x = real_to_complex(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    errors = []
    for n_coils in (None, 4):
        physics = mri(32, acceleration=2, n_coils=n_coils)
        errors.append((physics.A_dagger(physics.A(x)) - x).norm())
    assert errors[1] < 0.75 * errors[0]


@forward_mode
def test_the_multi_coil_inverse_is_differentiable():
    physics = mri(4, acceleration=2, center_fraction=0.25, n_coils=2)
    y = physics.A(randn(1, 2, 4, 4)).requires_grad_()
    assert torch.autograd.gradcheck(physics.A_dagger, (y,), check_forward_ad=True)


def test_noise_falls_on_measured_columns_only():
    x = torch.zeros(1, 2, 64, 64)
    for n_coils in (None, 2):
        noise = mri(64, noise_sigma=0.2, n_coils=n_coils, noise_seed=0)(x)
        mask = (mri(64).mask if n_coils is None else mri(64).mask[:, :, None]).expand_as(noise).bool()
        assert not noise[~mask].any()
        assert noise[mask].std().item() == pytest.approx(0.2, rel=0.05)
    assert torch.equal(mri(64, noise_sigma=0.2, noise_seed=0)(x), mri(64, noise_sigma=0.2, noise_seed=0)(x))
    assert not torch.equal(mri(64, noise_sigma=0.2, noise_seed=0)(x), mri(64, noise_sigma=0.2, noise_seed=1)(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size"),
        ({"acceleration": 0.9}, "acceleration = 0.9"),
        ({"noise_sigma": -1}, "noise_sigma = -1"),
        ({"n_coils": 0}, "n_coils = 0"),
        ({"center_fraction": 0.9}, "center_fraction"),
    ],
)
def test_impossible_scans_are_one_error(arguments, message):
    with pytest.raises(InputError, match=message):
        mri(**{"image_size": 16} | arguments)


@pytest.mark.parametrize("n_coils", [None, 2])
def test_unusable_tensors_are_one_error_each(n_coils):
    physics = mri(16, n_coils=n_coils)
    x = torch.zeros(1, 2, 16, 16)
    for wrong, message in (
        (torch.zeros(1, 1, 16, 16), r"real_to_complex\(x\) makes it"),
        (torch.zeros(1, 16, 16, dtype=torch.complex64), "x is complex"),
        (torch.zeros(1, 2, 8, 16), r"\(batch, 2, 16, 16\)"),
        (x.int(), "x is torch.int32"),
        (x / 0, "x holds 512 NaN"),
    ):
        with pytest.raises(InputError, match=message):
            physics.A(wrong)
    for method in (physics.A_adjoint, physics.A_dagger):
        with pytest.raises(InputError, match="y has shape"):
            method(torch.zeros(1, 2, 5, 5))


@pytest.mark.parametrize(("width", "acceleration"), [(64, 4), (64, 3), (65, 4), (64, 8), (128, 2.5), (10, 1)])
def test_exactly_the_asked_for_columns_with_the_centre(width, acceleration):
    mask = column_mask(width, acceleration=acceleration, center_fraction=0.08, seed=0)
    assert mask.sum() == round(width / acceleration)
    assert set(mask.tolist()) <= {0.0, 1.0}
    center = max(1, round(0.08 * width))
    start = width // 2 - center // 2
    assert mask[start : start + center].all()
    assert mask[width // 2] == 1


def test_the_seed_fixes_the_mask():
    assert torch.equal(mri(64).mask, mri(64, seed=0).mask)
    assert not torch.equal(mri(64, seed=1).mask, mri(64).mask)
    first, same, other = (column_mask(64, acceleration=4, center_fraction=0.08, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_low_frequencies_are_denser():
    counts = sum(column_mask(64, acceleration=4, center_fraction=0.08, seed=s) for s in range(200))
    near, far = torch.cat([counts[22:29], counts[36:43]]), torch.cat([counts[:7], counts[57:]])
    assert near.mean() > 3 * far.mean()


def test_the_centre_fraction_changes_the_mask():
    wide = column_mask(64, acceleration=4, center_fraction=0.25, seed=0)
    assert torch.equal(wide.nonzero().flatten(), torch.arange(24, 40))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"acceleration": 0.5}, "acceleration = 0.5"),
        ({"acceleration": 65}, "acceleration = 65"),
        ({"center_fraction": 0}, "center_fraction = 0"),
        ({"center_fraction": 1.5}, "center_fraction"),
        ({"center_fraction": 0.5}, "asks for 32 central columns, but acceleration = 4 leaves 16"),
    ],
)
def test_impossible_masks_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        column_mask(64, **{"acceleration": 4, "center_fraction": 0.08, "seed": 0} | arguments)


def test_a_real_image_gets_a_zero_imaginary_part_and_comes_back():
    x = torch.rand(2, 1, 5, 4, generator=torch.Generator().manual_seed(0))
    z = real_to_complex(x)
    assert torch.equal(z[:, :1], x)
    assert torch.equal(z[:, 1:], torch.zeros_like(x))
    assert torch.equal(magnitude(z), x)


def test_magnitude_is_the_absolute_value():
    z = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1)
    assert magnitude(z).item() == 5.0


def test_the_derivative_of_the_magnitude_is_finite_at_zero():
    z = torch.zeros(1, 2, 2, 2, requires_grad=True)
    magnitude(z).sum().backward()
    assert torch.equal(z.grad, torch.zeros(1, 2, 2, 2))


def test_wrong_channels_and_complex_tensors_are_refused():
    with pytest.raises(InputError, match=r"x has shape \(1, 2, 4, 4\), .* \(batch, 1"):
        real_to_complex(torch.zeros(1, 2, 4, 4))
    with pytest.raises(InputError, match=r"x has shape \(1, 1, 4, 4\), .* real and imaginary part"):
        magnitude(torch.zeros(1, 1, 4, 4))
    with pytest.raises(InputError, match="x is complex"):
        magnitude(torch.zeros(1, 2, 4, 4, dtype=torch.complex64))
