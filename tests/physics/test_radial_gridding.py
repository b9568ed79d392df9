import pytest
import torch

from eiwork import data
from eiwork.physics import radial_mri, real_to_complex
from eiwork.physics.radial_gridding import radial_gridding
from eiwork.physics.radial_trajectory import radial_trajectory


@pytest.fixture(scope="module")
def head():
    return real_to_complex(data.load("mri", "test", 64)[40:41].double())


def within_the_disc(x):
    """The part of an image at frequencies that spokes reach."""
    spectrum = torch.fft.fft2(torch.complex(x[:, 0], x[:, 1]))
    k = torch.fft.fftfreq(64, d=1 / 64)
    low = torch.fft.ifft2(spectrum * (k[:, None].square() + k.square() <= 32**2))
    return torch.stack([low.real, low.imag], dim=1)


@pytest.mark.parametrize("n_coils", [None, 4])
def test_many_spokes_recover_the_image_in_its_own_units(head, n_coils):
    physics = radial_mri(64, 200, n_coils=n_coils)
    x = physics.gridding(physics.A(head))
    inside = within_the_disc(head)
    assert (x - inside).norm() < 0.02 * inside.norm()
    assert (x - head).norm() < 0.05 * head.norm()
    assert x[:, 0].mean().item() == pytest.approx(head[:, 0].mean().item(), rel=1e-4)


def test_fewer_spokes_leave_streaks(head):
    errors = [(p.gridding(p.A(head)) - head).norm().item() for p in (radial_mri(64, n) for n in (100, 50, 25))]
    assert 2 * errors[0] < errors[1] < 0.5 * errors[2]


def test_samples_may_be_denser_than_the_image_needs(head):
    physics = radial_mri(64, 200, positions=(torch.arange(128) - 64) / 2)
    x = physics.gridding(physics.A(head))
    inside = within_the_disc(head)
    assert (x - inside).norm() < 0.02 * inside.norm()


def test_it_is_differentiable_and_follows_the_precision():
    trajectory = radial_trajectory(8, 3)
    kspace = torch.randn(2, 3, 8, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda k: radial_gridding(k, trajectory), (kspace,))
    assert radial_gridding(kspace.to(torch.complex64), trajectory).dtype == torch.complex64
