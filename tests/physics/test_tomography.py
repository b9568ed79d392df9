import deepinv
import numpy as np
import pytest
import torch

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.physics import Tomography, tomography
from eiwork.symmetry import Rotation

# PyTorch's own forward mode still uses torch.jit.script.
forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def dense(physics):
    """The matrix of A, column by column, in float64."""
    size = physics.geometry.image_size
    pixels = torch.eye(size * size, dtype=torch.float64).view(-1, 1, size, size)
    return physics.A(pixels).flatten(1).t()


@pytest.fixture
def only_iterative(monkeypatch):
    """Every scan counts as too large for a dense decomposition."""
    monkeypatch.setattr("eiwork.physics.gram.MAX_BLOCK", 1)


def test_it_is_the_matrix_it_says_it_is():
    physics = tomography(8, 5)
    matrix = physics.matrix.csr(False, torch.float64, torch.device("cpu")).to_dense()
    assert torch.equal(dense(physics), matrix)
    x = randn(3, 2, 8, 8)
    y = physics.A(x)
    assert y.shape == (3, 2, 12, 5)
    torch.testing.assert_close(y.view(6, -1), x.view(6, -1) @ matrix.t())
    torch.testing.assert_close(physics.A_adjoint(y).view(6, -1), y.view(6, -1) @ matrix)


def test_deepinvs_projector_of_the_same_geometry_agrees():
    theirs = deepinv.physics.Tomography(angles=7, img_width=48, normalize=False)
    ours = tomography(48, 7)
    centred = torch.arange(48.0) - 23.5
    blob = torch.exp(-((centred[:, None] + 8) ** 2 + (centred[None, :] - 5) ** 2) / 40)[None, None]
    expected = theirs.A(blob)
    measured = ours.A(blob) * ours.operator_norm
    assert measured.shape == expected.shape
    # Their 68 samples span 67 pixels of the padded image (corner-aligned): positions differ by up to 1.5 %.
    assert (measured - expected).norm() / expected.norm() < 0.03


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("batch", [1, 4])
def test_the_adjoint_is_exact(dtype, bound, batch):
    physics = tomography(64, 12)
    x, v = randn(batch, 1, 64, 64, dtype=dtype), randn(batch, 1, 91, 12, dtype=dtype, seed=1)
    y, back = physics.A(x), physics.A_adjoint(v)
    assert y.dtype == back.dtype == dtype
    error = ((y * v).sum() - (x * back).sum()).abs() / (y.norm() * v.norm())
    assert error < bound


def test_the_operator_has_norm_one():
    assert torch.linalg.matrix_norm(dense(tomography(12, 9)), 2).item() == pytest.approx(1.0, abs=1e-10)


def test_autocast_leaves_the_precision_alone():
    physics = tomography(16, 5)
    x = randn(2, 1, 16, 16, dtype=torch.float32)
    y = physics.A(x)
    expected = y, physics.A_adjoint(y), physics.whiten(y, 0.1), physics.A_dagger(y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = physics.A(x), physics.A_adjoint(y), physics.whiten(y, 0.1), physics.A_dagger(y)
    for value, exact in zip(under, expected, strict=True):
        assert torch.equal(value, exact)


def test_noise_is_added_by_the_call_only():
    x = randn(1, 1, 64, 64)
    physics = tomography(64, 50, noise_sigma=0.1, seed=0)
    noise = physics(x) - physics.A(x)
    assert noise.std().item() == pytest.approx(0.1, rel=0.03)
    again, other = (tomography(64, 50, noise_sigma=0.1, seed=seed) for seed in (0, 1))
    torch.testing.assert_close(again(x) - physics.A(x), noise, rtol=0, atol=0)
    assert not torch.allclose(other(x) - physics.A(x), noise)
    clean = tomography(64, 50)
    assert torch.equal(clean(x), clean.A(x))


def test_options_change_the_scan():
    base = tomography(16, 4)
    assert base.angles.tolist() == [0.0, 45.0, 90.0, 135.0]
    assert base.geometry.n_detectors == 23
    assert tomography(16, 4, n_detectors=16).A(torch.ones(1, 1, 16, 16)).shape == (1, 1, 16, 4)
    for angles in ([0, 10, 20, 30], np.array([0.0, 10.0, 20.0, 30.0]), torch.tensor([0, 10, 20, 30])):
        limited = tomography(16, 4, angles=angles)
        assert limited.angles.tolist() == [0.0, 10.0, 20.0, 30.0]
    assert not torch.equal(limited.A(torch.ones(1, 1, 16, 16)), base.A(torch.ones(1, 1, 16, 16)))


def test_deepinvs_losses_take_the_operator():
    physics = tomography(16, 6, noise_sigma=0.01)
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = physics(x).detach()

    def model(y, physics, **kwargs):
        return physics.A_adjoint(y)

    mc = deepinv.loss.MCLoss()(y=y, x_net=x, physics=physics)
    ei = deepinv.loss.EILoss(Rotation())(x_net=x, physics=physics, model=model)
    (gradient,) = torch.autograd.grad(mc + ei, x)
    assert torch.isfinite(gradient).all()
    assert gradient.norm() > 0
    # deepinv's error is relative to ||A||_F ||u|| ||v|| of random vectors: rounding only.
    assert physics.adjointness_test(img_size=(1, 16, 16), dtype=torch.float64) < 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size = 0"),
        ({"image_size": 1}, "image_size = 1"),
        ({"n_views": 0}, "n_views = 0"),
        ({"n_views": -3}, "n_views = -3"),
        ({"noise_sigma": -0.1}, "noise_sigma"),
        ({"noise_sigma": float("nan")}, "noise_sigma"),
        ({"n_detectors": 0}, "n_detectors = 0"),
        ({"rtol": 0.0}, "rtol"),
        ({"rtol": 1.0}, "rtol"),
        ({"angles": [0.0, 90.0]}, "one angle in degrees for each view"),
        ({"angles": [0.0, float("nan"), 1.0]}, "angles holds NaN"),
    ],
)
def test_impossible_geometry_is_one_error(arguments, message):
    with pytest.raises(InputError, match=message):
        tomography(**{"image_size": 16, "n_views": 3} | arguments)


def test_unusable_tensors_are_one_error_each():
    physics = tomography(16, 3)
    x, y = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 23, 3)
    bad_pixel = x.clone()
    bad_pixel[0, 0, 3, 4] = float("nan")
    for wrong, message in (
        (torch.zeros(1, 1, 16, 12), r"\(batch, channel, 16, 16\)"),
        (torch.zeros(1, 1, 32, 32), "x has shape"),
        (torch.zeros(16, 16), "x has shape"),
        (x.to(torch.complex64), "x is complex"),
        (x.to(torch.uint8), "x is torch.uint8"),
        (bad_pixel, "x holds 1 NaN"),
    ):
        with pytest.raises(InputError, match=message):
            physics.A(wrong)
        with pytest.raises(InputError, match=message):
            physics(wrong)
    for method in (physics.A_adjoint, physics.A_dagger, physics.fbp):
        with pytest.raises(InputError, match="y has shape"):
            method(x)
        with pytest.raises(InputError, match="y holds"):
            method(y / 0)
    with pytest.raises(InputError, match="r has shape"):
        physics.whiten(x, 0.1)


def test_printing_names_the_geometry():
    assert "image_size=16, n_views=3, n_detectors=23" in repr(tomography(16, 3))
    assert isinstance(tomography(16, 3), Tomography)
    assert isinstance(tomography(16, 3), deepinv.physics.LinearPhysics)


def test_a_dagger_is_the_pseudo_inverse():
    physics = tomography(8, 5)
    y = randn(2, 3, 12, 5)
    for rtol in (1e-3, 0.2):
        expected = y.view(6, -1) @ torch.linalg.pinv(dense(physics), rtol=rtol).t()
        torch.testing.assert_close(physics.A_dagger(y, rtol=rtol).view(6, -1), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(tomography(8, 5, rtol=0.2).A_dagger(y), physics.A_dagger(y, rtol=0.2))
    assert not torch.allclose(physics.A_dagger(y, rtol=0.2), physics.A_dagger(y))


def test_a_dagger_fits_the_data_with_the_least_norm():
    physics = tomography(16, 4, rtol=1e-6)
    x = randn(1, 1, 16, 16)
    y = physics.A(x)
    least = physics.A_dagger(y)
    torch.testing.assert_close(physics.A(least), y, rtol=0, atol=1e-8)
    null = x - least
    assert null.norm() > 0.1 * x.norm()
    assert abs((least * null).sum()) < 1e-8 * x.norm() ** 2


def test_a_dagger_follows_the_dtype():
    physics = tomography(16, 4)
    y = physics.A(randn(2, 1, 16, 16))
    single = physics.A_dagger(y.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), physics.A_dagger(y), rtol=1e-4, atol=1e-4)


def test_derivatives_of_the_inverses():
    physics = tomography(5, 3)
    y = randn(2, 1, 8, 3).requires_grad_()
    for f in (physics.A_dagger, physics.fbp, lambda r: physics.whiten(r, 0.1)):
        assert torch.autograd.gradcheck(f, (y,))
        assert torch.autograd.gradgradcheck(lambda v, f=f: f(v) ** 2, (y,), fast_mode=True)


def test_the_cut_off_rises_with_the_noise():
    noisy = tomography(16, 6, noise_sigma=0.02, seed=0)
    assert (noisy.rtol, tomography(16, 6).rtol) == (0.2, 1e-3)
    assert tomography(16, 6, noise_sigma=3.0).rtol == 0.5
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = noisy(x)
    assert (noisy.A_dagger(y) - x).norm() < 0.5 * (noisy.A_dagger(y, rtol=1e-3) - x).norm()


def test_conjugate_gradients_reach_the_same_inverse(only_iterative):
    physics = tomography(8, 3, rtol=1e-6)
    y = physics.A(randn(3, 2, 8, 8)) * torch.tensor([1e-6, 1.0, 1e6]).view(3, 1, 1, 1)
    expected = y.view(6, -1) @ torch.linalg.pinv(dense(physics), rtol=1e-6).t()
    scale = y.view(6, -1).norm(dim=1, keepdim=True)
    torch.testing.assert_close(physics.A_dagger(y).view(6, -1) / scale, expected / scale, rtol=1e-6, atol=1e-6)
    assert torch.equal(physics.A_dagger(torch.zeros_like(y)), torch.zeros(3, 2, 8, 8, dtype=torch.float64))


@forward_mode
def test_the_iterative_inverse_has_implicit_derivatives(only_iterative):
    physics = tomography(4, 3, rtol=1e-6)
    y = randn(2, 1, 6, 3).requires_grad_()
    assert torch.autograd.gradcheck(physics.A_dagger, (y,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda v: physics.A_dagger(v) ** 2, (y,), fast_mode=True)
    expected = torch.linalg.pinv(dense(physics), rtol=1e-6)
    jacobian = torch.func.jacrev(physics.A_dagger)(y[:1].detach()).view(16, 18)
    torch.testing.assert_close(jacobian, expected, rtol=1e-6, atol=1e-7)


def test_an_inverse_that_does_not_converge_warns(only_iterative):
    physics = tomography(16, 6)
    physics.max_iter = 3
    with pytest.warns(ConvergenceWarning, match=r"stopped after 3 conjugate-gradient iterations .* Raise"):
        physics.A_dagger(physics.A(randn(1, 1, 16, 16)))


def test_prox_is_the_minimiser_and_agrees_with_deepinvs(monkeypatch):
    physics = tomography(8, 4)
    z, y, gamma = randn(2, 1, 8, 8), randn(2, 1, 12, 4, seed=1), 3.0
    x = physics.prox_l2(z, y, gamma)
    stationary = gamma * physics.A_adjoint(physics.A(x) - y) + x - z
    assert stationary.abs().max() < 1e-10
    torch.testing.assert_close(physics.prox_l2(z, y, torch.tensor(gamma)), x)
    torch.testing.assert_close(physics.prox_l2(None, y, gamma), physics.prox_l2(torch.zeros_like(z), y, gamma))
    theirs = deepinv.physics.LinearPhysics.prox_l2(physics, z, y, gamma, tol=1e-10, max_iter=200)
    torch.testing.assert_close(theirs, x, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr("eiwork.physics.gram.MAX_BLOCK", 1)
    torch.testing.assert_close(physics.prox_l2(z, y, gamma), x, rtol=1e-10, atol=1e-10)
    several = physics.prox_l2(z, y, torch.tensor([gamma, 2 * gamma]).view(2, 1, 1, 1), tol=1e-10, max_iter=200)
    torch.testing.assert_close(several[:1], x[:1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(several[1:], x[1:], rtol=1e-2)
