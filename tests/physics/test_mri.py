import pytest
import torch
from dense_algebra import dense, randn

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


@pytest.mark.parametrize(("width", "acceleration"), [(64, 4), (64, 3), (65, 4), (64, 8), (128, 2.5), (10, 1)])
def test_exactly_the_asked_for_columns_with_the_centre(width, acceleration):
    mask = column_mask(width, acceleration, 0.08, 0)
    assert mask.sum() == round(width / acceleration)
    assert set(mask.tolist()) <= {0.0, 1.0}
    center = max(1, round(0.08 * width))
    start = width // 2 - center // 2
    assert mask[start : start + center].all()
    assert mask[width // 2] == 1


def test_low_frequencies_are_denser_and_the_seed_fixes_the_mask():
    assert torch.equal(mri(64).mask, mri(64, seed=0).mask)
    assert not torch.equal(mri(64, seed=1).mask, mri(64).mask)
    counts = sum(column_mask(64, 4, 0.08, s) for s in range(200))
    assert torch.equal(column_mask(64, 4, 0.25, 0).nonzero().flatten(), torch.arange(24, 40)), "the centre alone"
    near, far = torch.cat([counts[22:29], counts[36:43]]), torch.cat([counts[:7], counts[57:]])
    assert near.mean() > 3 * far.mean()


def test_a_real_image_gets_a_zero_imaginary_part_and_comes_back():
    x = torch.rand(2, 1, 5, 4, generator=torch.Generator().manual_seed(0))
    z = real_to_complex(x)
    assert torch.equal(z, torch.cat([x, torch.zeros_like(x)], dim=1))
    assert torch.equal(magnitude(z), x)
    assert magnitude(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1)).item() == 5.0
    # Its derivative is finite at zero.
    z = torch.zeros(1, 2, 2, 2, requires_grad=True)
    magnitude(z).sum().backward()
    assert torch.equal(z.grad, torch.zeros(1, 2, 2, 2))


def test_wrong_channels_and_complex_tensors_are_refused():
    two = torch.zeros(1, 2, 4, 4)
    for function, x, told in (
        (real_to_complex, two, r"x has shape \(1, 2, 4, 4\), .* \(batch, 1"),
        (magnitude, two[:, :1], r"x has shape \(1, 1, 4, 4\), .* real and imaginary part"),
        (magnitude, two * 1j, "x is complex"),
    ):
        with pytest.raises(InputError, match=told):
            function(x)
