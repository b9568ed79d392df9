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
    for scan in (physics, radial_mri(2, 2), radial_mri(3, 2)):
        assert torch.linalg.matrix_norm(dense(scan), 2).item() == pytest.approx(1.0, abs=1e-7)
    expected = physics.A_adjoint(physics.A(x))
    assert (physics.A_adjoint_A(x) - expected).norm() < 1e-8 * expected.norm()


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


def test_single_precision_a_copy_and_a_converted_module_agree():
    physics, x = radial_mri(16, 5, n_coils=3), randn(1, 2, 16, 16)
    y = physics.A(x)
    assert physics.A(x.float()).dtype == torch.float32
    torch.testing.assert_close(physics.A(x.float()).double(), y, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(copy.deepcopy(physics).to(torch.float64).A(x), y)
    given = radial_mri(16, 5, coil_maps=coil_sensitivities(3, 16, 16))
    assert torch.equal(given.A(x), y)


def test_k_space_becomes_a_measurement_whose_inverse_warns_where_it_does_not_converge():
    physics, x = radial_mri(8, 3, n_coils=2), randn(1, 2, 8, 8)
    y = physics.A(x)
    kspace = torch.complex(y[:, 0], y[:, 1]) * physics.operator_norm
    torch.testing.assert_close(physics.from_kspace(kspace), y)
    torch.testing.assert_close(physics.from_kspace(kspace[0]), y)
    with pytest.raises(InputError, match="kspace must be a complex tensor"):
        physics.from_kspace(y)
    with pytest.raises(InputError, match=r"kspace has shape \(1, 2, 1, 3, 8\)"):
        physics.from_kspace(kspace[:, :1])
    physics.max_iter = 1
    with pytest.warns(ConvergenceWarning, match="stopped after 1 conjugate"):
        physics.A_dagger(y)
