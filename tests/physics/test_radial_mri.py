import copy

import pytest
import torch
from dense_algebra import dense, randn

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.physics import radial_mri
from eiwork.physics.coils import coil_sensitivities


@pytest.mark.parametrize("n_coils", [None, 3])
def test_the_adjoint_is_exact_the_norm_one_and_the_normal_operator_their_product(n_coils):
    physics = radial_mri(8, 5, n_coils=n_coils)
    x, y = randn(2, 2, 8, 8), randn(2, 2, n_coils or 1, 5, 8, seed=1)
    left, right = (physics.A(x) * y).sum(), (x * physics.A_adjoint(y)).sum()
    assert abs(left - right) < 1e-12 * physics.A(x).norm() * y.norm()
    assert torch.linalg.matrix_norm(dense(physics), 2).item() == pytest.approx(1.0, abs=1e-7)
    expected = physics.A_adjoint(physics.A(x))
    assert (physics.A_adjoint_A(x) - expected).norm() < 1e-8 * expected.norm()


@pytest.mark.parametrize("size", [2, 3])
def test_the_norm_of_the_smallest_scans_is_one(size):
    assert torch.linalg.matrix_norm(dense(radial_mri(size, 2)), 2).item() == pytest.approx(1.0, abs=1e-7)


def test_it_is_coil_maps_then_the_sum_over_pixels():
    physics = radial_mri(8, 3, n_coils=2, angles=[10, 70, 200])
    maps, x = physics.coil_maps[0].to(torch.complex128), randn(1, 2, 8, 8)
    z = torch.complex(x[0, 0], x[0, 1])
    pixel = torch.arange(8, dtype=torch.float64) - 4
    y = physics.A(x)[0] * physics.operator_norm
    for coil, spoke, sample, angle in ((0, 0, 1, 10), (1, 1, 4, 70), (0, 2, 7, 200)):
        theta = torch.deg2rad(torch.tensor(angle, dtype=torch.float64))
        k = sample - 4
        phase = k * (torch.sin(theta) * pixel[:, None] + torch.cos(theta) * pixel) / 8
        expected = (maps[coil] * z * torch.exp(-2j * torch.pi * phase)).sum()
        assert abs(torch.complex(*y[:, coil, spoke, sample]) - expected) < 1e-7


def test_given_maps_are_used_one_set_a_sample_too():
    maps = torch.stack([coil_sensitivities(2, 8, 8), 2 * coil_sensitivities(2, 8, 8).flip(1)])
    together, x = radial_mri(8, 3, coil_maps=maps), randn(2, 2, 8, 8)
    assert not together.same_for_all_samples
    for i in range(2):
        single = radial_mri(8, 3, coil_maps=maps[i])
        assert single.same_for_all_samples
        expected = single.A(x[i : i + 1]) * (single.operator_norm / together.operator_norm)
        torch.testing.assert_close(together.A(x)[i : i + 1], expected)
    torch.testing.assert_close(together.A_adjoint_A(x), together.A_adjoint(together.A(x)), rtol=1e-7, atol=1e-8)


def test_a_dagger_is_the_pseudo_inverse():
    physics = radial_mri(8, 4, n_coils=2)
    physics.tol = 1e-10
    y = physics.A(randn(2, 2, 8, 8))
    expected = y.flatten(1) @ torch.linalg.pinv(dense(physics), rtol=1e-6).t()
    torch.testing.assert_close(physics.A_dagger(y).flatten(1), expected, rtol=1e-4, atol=1e-4)
    assert physics.A_dagger(y.float()).dtype == torch.float32
    physics.max_iter = 1
    with pytest.warns(ConvergenceWarning, match="stopped after 1 conjugate"):
        physics.A_dagger(y)


def test_derivatives_are_exact():
    physics = radial_mri(3, 2, n_coils=2)
    x, y = randn(1, 2, 3, 3).requires_grad_(), randn(1, 2, 2, 2, 3, seed=1).requires_grad_()
    for function, v in ((physics.A, x), (physics.A_adjoint, y), (physics.A_adjoint_A, x), (physics.gridding, y)):
        assert torch.autograd.gradcheck(function, (v,))
    assert torch.autograd.gradgradcheck(lambda v: physics.A(v).square(), (x,), fast_mode=True)
    small = radial_mri(2, 5, n_coils=2)
    small.tol = 1e-10
    assert torch.autograd.gradcheck(small.A_dagger, (small.A(randn(1, 2, 2, 2)).requires_grad_(),))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
def test_transforms_of_torch_func_work():
    physics, x = radial_mri(8, 3, n_coils=2), randn(3, 1, 2, 8, 8)
    y = torch.stack([physics.A(v) for v in x])
    torch.testing.assert_close(torch.func.vmap(physics.A)(x), y)
    expected = torch.stack([physics.A_adjoint(v) for v in y])
    torch.testing.assert_close(torch.func.vmap(physics.A_adjoint)(y), expected)
    torch.testing.assert_close(torch.func.jvp(physics.A, (x[0],), (x[1],))[1], y[1])
    gradient = torch.func.grad(lambda v: physics.A(v).square().sum() / 2)(x[0])
    torch.testing.assert_close(gradient, physics.A_adjoint(y[0]))
    solved = torch.func.vmap(lambda a, b: physics.prox_l2(a, b, 2.0))(x, y)
    torch.testing.assert_close(solved[1], physics.prox_l2(x[1], y[1], 2.0))


def test_single_precision_a_copy_and_a_converted_module_agree():
    physics, x = radial_mri(16, 5, n_coils=3), randn(1, 2, 16, 16)
    y = physics.A(x)
    assert physics.A(x.float()).dtype == torch.float32
    torch.testing.assert_close(physics.A(x.float()).double(), y, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(copy.deepcopy(physics).to(torch.float64).A(x), y)


def test_noise_has_its_level_and_seed():
    x = torch.zeros(1, 2, 32, 32)
    noise, same, other = (radial_mri(32, 20, n_coils=4, noise_sigma=0.2, noise_seed=seed)(x) for seed in (0, 0, 1))
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)
    assert torch.equal(noise, same)
    assert not torch.equal(noise, other)


def test_k_space_becomes_a_measurement():
    physics, x = radial_mri(8, 3, n_coils=2), randn(1, 2, 8, 8)
    y = physics.A(x)
    kspace = torch.complex(y[:, 0], y[:, 1]) * physics.operator_norm
    torch.testing.assert_close(physics.from_kspace(kspace), y)
    torch.testing.assert_close(physics.from_kspace(kspace[0]), y)
    with pytest.raises(InputError, match="kspace must be a complex tensor"):
        physics.from_kspace(y)
    with pytest.raises(InputError, match=r"kspace has shape \(1, 2, 1, 3, 8\)"):
        physics.from_kspace(kspace[:, :1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise_sigma": -1}, "noise_sigma = -1"),
        ({"n_coils": 0}, "n_coils = 0"),
        ({"coil_maps": torch.ones(2, 8, 8)}, "coil_maps is"),
        ({"coil_maps": torch.ones(2, 7, 8, dtype=torch.complex64)}, "pass a complex tensor"),
        ({"coil_maps": torch.zeros(2, 8, 8, dtype=torch.complex64)}, "zeros only"),
        ({"coil_maps": torch.ones(2, 8, 8, dtype=torch.complex64), "n_coils": 2}, "leave one out"),
    ],
)
def test_impossible_scans_are_one_error(arguments, message):
    with pytest.raises(InputError, match=message):
        radial_mri(**{"image_size": 8, "n_spokes": 3} | arguments)


def test_unusable_tensors_are_one_error_each():
    physics = radial_mri(8, 3, n_coils=2)
    for method in (physics.A, physics.A_adjoint_A):
        with pytest.raises(InputError, match="real_to_complex"):
            method(torch.zeros(1, 1, 8, 8))
    for method in (physics.A_adjoint, physics.A_dagger, physics.gridding):
        with pytest.raises(InputError, match=r"\(batch, 2, 2, 3, 8\)"):
            method(torch.zeros(1, 2, 3, 8))
