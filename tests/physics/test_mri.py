import numpy as np
import pytest
import torch
from dense_algebra import dense, randn

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point import Picard
from eiwork.models import DEQ, GradientStep, ProximalGradient, ProximalStep, ResidualCNN
from eiwork.physics import magnitude, mri, real_to_complex
from eiwork.physics.mri import column_mask


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
    assert physics.A_dagger(y[:0]).shape == physics.prox_l2(None, y[:0], 1.0).shape == (0, 2, 8, 8)
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


SCATTERED = np.random.default_rng(0).random((8, 6)) < 0.6
SCATTERED[4, 3] = True
COLUMNS = np.tile([False, True, False, True, True, False], (8, 1))
BOTH = np.stack([SCATTERED, COLUMNS])[:, None]
MAPS = np.exp(1j * np.arange(96).reshape(2, 8, 6)) * np.array([0.6, 0.8])[:, None, None]


@pytest.mark.parametrize("maps", [None, MAPS, np.stack([MAPS, MAPS.conj()])])
@pytest.mark.parametrize(
    ("given", "mask"),
    [
        *((form, COLUMNS) for form in (COLUMNS[0], COLUMNS[0].tolist(), COLUMNS[:1, None, :, None])),
        *((SCATTERED[::-1].astype(kind)[::-1], SCATTERED) for kind in ("bool", ">f4", "f8")),
        (torch.from_numpy(SCATTERED)[None], SCATTERED),
        (BOTH, BOTH),
        (np.repeat(BOTH, 2, axis=1) * 0.3, BOTH * 0.3),
    ],
)
def test_a_mask_and_maps_of_ones_own_give_the_operator_of_numpy_and_exact_inverses(given, mask, maps):
    x, axes = randn(2, 2, 8, 6), (-2, -1)
    z = (x[:, 0] + 1j * x[:, 1]).numpy()[:, None] * (1 if maps is None else maps)
    k = mask * np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(z, axes=axes), norm="ortho"), axes=axes)
    y = torch.from_numpy(np.stack([k.real, k.imag], axis=1)[:, :, 0 if maps is None else slice(None)])
    physics = mri((8, 6), mask=given, coil_maps=maps)
    torch.testing.assert_close((physics.A(x), physics(x)), (y, y), rtol=1e-12, atol=1e-12)
    v = randn(*y.shape, seed=1)
    torch.testing.assert_close((physics.A_adjoint(v) * x).sum(), (v * y).sum())
    torch.testing.assert_close(physics.A(physics.A_dagger(y)), y, rtol=1e-3, atol=1e-3)
    for new in ({}, {"mask": np.ones((8, 6))}):
        prox = physics.prox_l2(x, v, 3.0, **new)
        torch.testing.assert_close(prox + 3 * physics.A_adjoint(physics.A(prox) - v), x, rtol=1e-8, atol=1e-8)
    assert float(physics.A(x).norm()) > float(y.norm())
    with pytest.raises(InputError, match=r"mask has shape \(6, 8\).*permute\(0, 1, 3, 2\) would fit"):
        physics.update(mask=np.ones((6, 8)))


@pytest.mark.parametrize(("step", "own"), [(GradientStep(), {}), (ProximalStep(), {"coil_maps": [MAPS, MAPS.conj()]})])
def test_each_sample_may_have_a_mask_and_maps_of_its_own_in_a_model(step, own):
    x = randn(2, 2, 8, 6, dtype=torch.float32)
    several = mri((8, 6), mask=BOTH, **{name: np.stack(value) for name, value in own.items()})
    model = DEQ(ProximalGradient(ResidualCNN(2, width=4, depth=2), step), Picard(tol=1e-6, max_iter=300))
    together = model(several.A(x), several)
    for i in range(2):
        single = mri((8, 6), mask=BOTH[i], **{name: value[i] for name, value in own.items()})
        torch.testing.assert_close(together[i : i + 1], model(single.A(x[i : i + 1]), single), rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="x holds 1 samples on cpu, the operator's mask or maps are for 2"):
        several.A(x[:1])


def test_a_mask_without_the_zero_frequency_and_maps_that_are_too_large_get_advice():
    for mask in ([1, 1, 0, 0, 0, 1], ~COLUMNS):
        with pytest.warns(UserWarning, match=r"zero frequency.*fftshift\(mask\).*1 - mask"):
            mri((8, 6), mask=mask)
    with pytest.warns(UserWarning, match="norm of A may be 3"):
        assert mri((8, 6), coil_maps=3 * MAPS, acceleration=2).coil_maps.dtype == torch.complex128
