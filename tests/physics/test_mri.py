import deepinv
import pytest
import torch

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.physics import magnitude, mri, real_to_complex
from eiwork.symmetry import Rotation


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def dense(physics, height, width):
    pixels = torch.eye(2 * height * width, dtype=torch.float64).view(-1, 2, height, width)
    return physics.A(pixels).flatten(1).t()


def test_single_coil_is_the_masked_centred_fourier_transform():
    physics = mri((8, 6), acceleration=2, seed=0)
    x = randn(2, 2, 8, 6)
    z = torch.complex(x[:, 0], x[:, 1])
    k = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(z, dim=(-2, -1)), norm="ortho"), dim=(-2, -1))
    mask = physics.mask[0, 0].double()
    assert mask.sum() == 3 * 8
    assert torch.equal(mask, mask[:1].expand(8, 6))
    torch.testing.assert_close(physics.A(x), torch.stack([k.real, k.imag], dim=1) * mask)
    assert torch.linalg.matrix_norm(dense(physics, 8, 6), 2).item() == pytest.approx(1.0)


@pytest.mark.parametrize("n_coils", [None, 1, 3])
def test_the_adjoint_is_exact_and_the_norm_at_most_one(n_coils):
    physics = mri((8, 6), acceleration=2, n_coils=n_coils)
    matrix = dense(physics, 8, 6)
    v = randn(1, *physics.A(randn(1, 2, 8, 6)).shape[1:], seed=1)
    torch.testing.assert_close(physics.A_adjoint(v).flatten(), matrix.t() @ v.flatten(), rtol=1e-6, atol=1e-7)
    assert torch.linalg.matrix_norm(matrix, 2) < 1 + 1e-6


@pytest.mark.parametrize("n_coils", [None, 3])
def test_a_dagger_is_the_pseudo_inverse(n_coils):
    physics = mri((8, 8), acceleration=4, center_fraction=0.1, n_coils=n_coils)
    y = physics.A(randn(2, 2, 8, 8))
    matrix = dense(physics, 8, 8)
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
    expected = y.flatten(1) @ torch.linalg.pinv(dense(physics, 8, 8), rtol=1e-5).t()
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


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
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


def test_seed_and_acceleration_change_the_mask():
    assert torch.equal(mri(64).mask, mri(64, seed=0).mask)
    assert not torch.equal(mri(64, seed=1).mask, mri(64).mask)
    assert mri(64, acceleration=8).mask[0, 0, 0].sum() == 8


@pytest.mark.parametrize("n_coils", [None, 2])
def test_deepinvs_losses_take_the_operator(n_coils):
    physics = mri(16, n_coils=n_coils, noise_sigma=0.01)
    x = real_to_complex(torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))).requires_grad_()

    def model(y, physics, **kwargs):
        return physics.A_adjoint(y)

    mc = deepinv.loss.MCLoss()(y=physics(x).detach(), x_net=x, physics=physics)
    ei = deepinv.loss.EILoss(Rotation())(x_net=x, physics=physics, model=model)
    (gradient,) = torch.autograd.grad(mc + ei, x)
    assert torch.isfinite(gradient).all()
    assert gradient.norm() > 0
    assert magnitude(x).shape == (2, 1, 16, 16)


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
