"""Radial MRI against the sum over pixels, gridding, and what users bring: k-space, maps and positions of their own."""

import copy

import jaxtyping
import numpy as np
import pytest
import torch
from dense_algebra import dense, randn

from eiwork import data
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.physics import radial_coil_maps, radial_mri, real_to_complex
from eiwork.physics.coils import coil_sensitivities
from eiwork.physics.mri import as_complex
from eiwork.physics.radial_mri import GOLDEN_ANGLE


@pytest.mark.parametrize(("size", "positions"), [(8, None), (7, None), (6, [-2.6, -1.9, -1.2, -0.5, 0.2])])
def test_it_is_coil_maps_then_the_sum_over_pixels_of_norm_one(size, positions):
    physics = radial_mri(size, 4, n_coils=2, angles=[0, 10, 90, 200], positions=positions)
    k = physics.positions if positions is None else torch.tensor(positions, dtype=torch.float64)
    assert positions or k.tolist() == [i - size // 2 for i in range(size)]
    x, y = randn(2, 2, size, size), randn(2, 2, 2, 4, len(k), seed=1)
    pixel, z = torch.arange(size, dtype=torch.float64) - size // 2, as_complex(x)
    expected = torch.zeros(2, 2, 4, len(k), dtype=torch.complex128)
    for spoke, theta in enumerate(np.deg2rad([0, 10, 90, 200])):
        for sample in range(len(k)):
            # An angle of zero points along the row, ninety degrees down the column.
            phase = k[sample] * (np.sin(theta) * pixel[:, None] + np.cos(theta) * pixel) / size
            wave = torch.exp(-2j * torch.pi * phase)
            expected[:, :, spoke, sample] = (physics.coil_maps * z[:, None] * wave).sum(dim=(-2, -1))
    torch.testing.assert_close(as_complex(physics.A(x)) * physics.operator_norm, expected, rtol=1e-12, atol=1e-12)
    left, right = (physics.A(x) * y).sum(), (x * physics.A_adjoint(y)).sum()
    assert abs(left - right) < 1e-12 * physics.A(x).norm() * y.norm()
    torch.testing.assert_close(physics.A_adjoint_A(x), physics.A_adjoint(physics.A(x)), rtol=1e-12, atol=1e-12)
    for scan in (physics, radial_mri(2, 2), radial_mri(3, 2)):
        assert torch.linalg.matrix_norm(dense(scan), 2).item() == pytest.approx(1.0, abs=1e-10)


def test_golden_spokes_are_the_default_and_fibonacci_numbers_of_them_nearly_even():
    assert radial_mri(8, 3).angles.tolist() == pytest.approx((0, 111.24612, 222.49224))
    for n_spokes in (13, 21, 34):
        gaps = np.diff(np.sort(np.mod(np.arange(n_spokes) * GOLDEN_ANGLE, 180)))
        assert gaps.max() < 1.7 * gaps.min()


def test_a_copy_a_converted_module_and_a_compiled_product_agree_in_either_precision():
    physics, x = radial_mri(16, 5, n_coils=3), randn(2, 2, 16, 16)
    y = physics.A(x)
    single = physics.A(x.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), y, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(copy.deepcopy(physics).to(torch.float64).A(x), y)
    products = [(physics.A, x), (physics.A_adjoint, y), (physics.A_adjoint_A, x), (physics.gridding, y)]
    fresh, v = radial_mri(16, 5, n_coils=3), x.clone().requires_grad_()
    with torch.inference_mode():
        assert torch.equal(fresh.A(x), y)
    (gradient,) = torch.autograd.grad((fresh.A(v) * y).sum(), v)  # what inference left behind does no harm
    torch.testing.assert_close(gradient, physics.A_adjoint(y))
    with pytest.raises(InputError, match="x is on cpu, the maps on meta"):
        copy.deepcopy(physics).to("meta").A(x)
    jaxtyping.config.update("jaxtyping_disable", True)  # as a user meets it
    for product, v in products:
        assert torch.equal(torch.compile(product, backend="eager")(v), product(v))
    for name in ("coil_maps", "mask"):
        with pytest.raises(InputError, match="build another with radial_mri"):
            physics(x, **{name: physics.coil_maps})


def test_own_maps_and_k_space_come_as_tensors_or_arrays_of_either_precision():
    physics, x = radial_mri(8, 3, n_coils=2), randn(1, 2, 8, 8)
    maps, y = physics.coil_maps, physics.A(x)
    for own in (maps[0], maps.to(torch.complex128), maps.numpy(), maps.numpy().astype(">c16")[..., ::-1][..., ::-1]):
        torch.testing.assert_close(radial_mri(8, 3, coil_maps=own).A(x), y)
    kspace = as_complex(y) * physics.operator_norm
    for own in (kspace, kspace[0], kspace.numpy(), kspace[0].numpy()):
        torch.testing.assert_close(physics.from_kspace(own), y)
    physics.max_iter = 1
    with pytest.warns(ConvergenceWarning, match="stopped after 1 conjugate"):
        physics.A_dagger(y)
    for wrong, told in ((y, "pass complex samples"), (None, "a NoneType"), (kspace / 0, "holds NaN")):
        for read in (physics.from_kspace, lambda v: radial_coil_maps(v, 8)):
            with pytest.raises(InputError, match=f"kspace .*{told}"):
                read(wrong)
    with pytest.raises(InputError, match=r"kspace has shape \(1, 2, 1, 3, 8\)"):
        physics.from_kspace(kspace[:, :1])


@pytest.mark.parametrize("reach", [0.5, np.pi])
def test_positions_in_other_units_are_told(reach):
    with pytest.raises(
        InputError, match=f"positions reach {reach:.4g} .* 32: multiply positions up to 0.5 by image_size"
    ):
        radial_mri(64, 5, positions=np.linspace(-reach, reach, 64, endpoint=False))


@pytest.fixture(scope="module")
def head():
    return real_to_complex(data.load("mri", "test", 64)[40:41].double())


@pytest.mark.parametrize("options", [{}, {"n_coils": 4}, {"positions": (torch.arange(128) - 64) / 2}])
def test_gridding_of_many_spokes_recovers_the_image_in_its_own_units(head, options):
    physics = radial_mri(64, 200, **options)
    x = physics.gridding(physics.A(head))
    k = torch.fft.fftfreq(64, d=1 / 64)
    reached = k[:, None].square() + k.square() <= 32**2
    inside = torch.fft.ifft2(torch.fft.fft2(as_complex(head)) * reached)
    assert (as_complex(x) - inside).norm() < 0.02 * inside.norm()
    assert x[:, 0].mean().item() == pytest.approx(head[:, 0].mean().item(), rel=1e-4)


def test_fewer_spokes_leave_streaks(head):
    errors = [(p.gridding(p.A(head)) - head).norm().item() for p in (radial_mri(64, n) for n in (100, 50, 25))]
    assert 2 * errors[0] < errors[1] < 0.5 * errors[2]


def test_the_centre_of_k_space_gives_the_maps_where_there_is_signal(head):
    physics = radial_mri(64, 100, coil_maps=coil_sensitivities(4, 64, 64))
    kspace = as_complex(physics.A(head))[0] * physics.operator_norm
    found = radial_coil_maps(kspace, 64)
    explained = (found.conj() * physics.coil_maps[0]).sum(dim=0).abs().square()
    assert (1 - explained).clamp_min(0).sqrt()[head[0, 0] > 0.2].mean() < 0.03
