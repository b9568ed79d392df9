import copy
import math
import pickle

import deepinv
import numpy as np
import pytest
import torch
from dense_algebra import dense, forward_mode, randn

from eiwork.errors import ConvergenceWarning
from eiwork.physics import Tomography, tomography
from eiwork.physics.tomography import ramp_filter


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


def test_autocast_leaves_the_precision_alone():
    physics = tomography(16, 5)
    x = randn(2, 1, 16, 16, dtype=torch.float32)
    y = physics.A(x)
    expected = y, physics.A_adjoint(y), physics.whiten(y, 0.1), physics.A_dagger(y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = physics.A(x), physics.A_adjoint(y), physics.whiten(y, 0.1), physics.A_dagger(y)
    for value, exact in zip(under, expected, strict=True):
        assert torch.equal(value, exact)


def test_options_change_the_scan():
    base = tomography(16, 4)
    assert base.angles.tolist() == [0.0, 45.0, 90.0, 135.0]
    assert base.geometry.n_detectors == 23
    assert tomography(16, 4, n_detectors=16).A(torch.ones(1, 1, 16, 16)).shape == (1, 1, 16, 4)
    for angles in ([0, 10, 20, 30], np.array([0.0, 10.0, 20.0, 30.0]), torch.tensor([0, 10, 20, 30])):
        limited = tomography(16, 4, angles=angles)
        assert limited.angles.tolist() == [0.0, 10.0, 20.0, 30.0]
    assert not torch.equal(limited.A(torch.ones(1, 1, 16, 16)), base.A(torch.ones(1, 1, 16, 16)))


def test_it_is_an_operator_of_deepinv_whose_printing_names_the_geometry():
    physics = tomography(16, 3)
    assert "image_size=16, n_views=3, n_detectors=23" in repr(physics)
    assert isinstance(physics, Tomography)
    assert isinstance(physics, deepinv.physics.LinearPhysics)
    # deepinv's error is relative to ||A||_F ||u|| ||v|| of random vectors: rounding only.
    assert physics.adjointness_test(img_size=(1, 16, 16), dtype=torch.float64) < 1e-12


def test_the_cut_off_rises_with_the_noise():
    noisy = tomography(16, 6, noise_sigma=0.02, seed=0)
    scans = noisy, tomography(16, 6), tomography(16, 6, noise_sigma=3.0), tomography(16, 6, rtol=0.3)
    assert [scan.rtol for scan in scans] == [0.2, 1e-3, 0.5, 0.3]
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
def test_the_iterative_inverse_has_implicit_derivatives_and_warns_where_it_does_not_converge(only_iterative):
    physics = tomography(4, 3, rtol=1e-6)
    y = randn(2, 1, 6, 3).requires_grad_()
    assert torch.autograd.gradcheck(physics.A_dagger, (y,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda v: physics.A_dagger(v) ** 2, (y,), fast_mode=True)
    expected = torch.linalg.pinv(dense(physics), rtol=1e-6)
    jacobian = torch.func.jacrev(physics.A_dagger)(y[:1].detach()).view(16, 18)
    torch.testing.assert_close(jacobian, expected, rtol=1e-6, atol=1e-7)
    physics.max_iter = 3
    with pytest.warns(ConvergenceWarning, match=r"stopped after 3 conjugate-gradient iterations .* Raise"):
        physics.A_dagger(y.detach())


def test_third_derivative():
    physics = tomography(4, 3)
    x = randn(1, 1, 4, 4).requires_grad_()
    value = physics.A(x).pow(3).sum()
    for _ in range(3):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    # d/dx of sum (A x)^3 along ones, thrice: 6 A^T (A 1)^2.
    with torch.no_grad():
        expected = 6 * physics.A_adjoint(physics.A(torch.ones_like(x)) ** 2)
    torch.testing.assert_close(value, expected)


@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace")  # the annotation checker of the tests
def test_compiled_code_gives_the_same():
    physics = tomography(6, 4)
    x = randn(2, 1, 6, 6, dtype=torch.float32)

    def step(v):
        return v - physics.A_adjoint(physics.A(v))

    torch.testing.assert_close(torch.compile(step, backend="eager")(x), step(x))


def test_one_geometry_is_built_once_also_for_copies():
    physics = tomography(16, 5)
    assert tomography(16, 5, noise_sigma=0.1).matrix is physics.matrix
    assert tomography(16, 6).matrix is not physics.matrix
    for twin in (physics.clone(), copy.deepcopy(physics)):
        assert twin.matrix is physics.matrix
    assert pickle.loads(pickle.dumps(physics.matrix)) is physics.matrix


def disc(size, radius, value):
    fine = (torch.arange(size * 8, dtype=torch.float64) - (size * 8 - 1) / 2) / 8
    inside = (fine[:, None] ** 2 + fine[None, :] ** 2 < radius**2).double()
    return value * torch.nn.functional.avg_pool2d(inside[None, None], 8)


def test_fbp_has_the_scale_of_the_image():
    x = disc(64, 20, 0.7)
    physics = tomography(64, 180)
    centred = torch.arange(64) - 31.5
    radius = torch.hypot(centred[:, None], centred[None, :])
    image = physics.fbp(physics.A(x))[0, 0]
    assert image[radius < 16].mean().item() == pytest.approx(0.7, rel=0.01)
    assert abs(image[(radius > 24) & (radius < 31)].mean()) < 0.01
    # So it has of uneven views.
    angles = torch.cat([torch.arange(0, 90, 1.0), torch.arange(90, 180, 3.0)])
    physics = tomography(32, len(angles), angles=angles)
    image = physics.fbp(physics.A(disc(32, 10, 1.0)))
    assert image[0, 0, 12:20, 12:20].mean().item() == pytest.approx(1.0, rel=0.02)


def test_the_ramp_filter_is_the_second_derivative_of_the_hilbert_pair():
    # |f| applied twice is f^2, so minus the second derivative over 4 pi^2: exact for a wide Gaussian.
    t = torch.arange(201, dtype=torch.float64) - 100
    s = 6.0
    gaussian = torch.exp(-(t**2) / (2 * s**2))
    expected = -(t**2 / s**4 - 1 / s**2) * gaussian / (4 * math.pi**2)
    once = ramp_filter(gaussian.view(1, 1, -1, 1))
    twice = ramp_filter(once).flatten()
    torch.testing.assert_close(twice[60:141], expected[60:141], rtol=0, atol=2e-5)
