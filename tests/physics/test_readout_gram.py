"""The row-wise inverse of A^T A + s I of multi-coil MRI, against the dense one and against conjugate gradients."""

import copy

import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import mri
from eiwork.physics.readout_gram import readout_gram

HEIGHT, WIDTH, COILS = 6, 8, 3
forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


def eye(n):
    return torch.eye(n, dtype=torch.float64)


def operator():
    return mri((HEIGHT, WIDTH), acceleration=2, center_fraction=0.25, n_coils=COILS).double()


def dense(physics):
    n = 2 * HEIGHT * WIDTH
    return physics.A(torch.eye(n, dtype=torch.float64).view(n, 2, HEIGHT, WIDTH)).flatten(1).T


@pytest.mark.parametrize("shift", [0.7, 1e-3, torch.tensor(0.02, dtype=torch.float64)])
def test_it_is_the_dense_inverse(shift):
    physics = operator()
    a = dense(physics)
    b = torch.randn(2, 2, HEIGHT, WIDTH, dtype=torch.float64)
    expected = torch.linalg.solve(a.T @ a + shift * eye(a.shape[1]), b.flatten(1).T).T
    found = readout_gram(physics.mask, physics.coil_maps).solve(b, shift)
    torch.testing.assert_close(found.flatten(1), expected, rtol=1e-9, atol=1e-9)
    single = readout_gram(physics.mask, physics.coil_maps).solve(b.float(), shift)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), found, rtol=1e-3, atol=1e-4)


def test_its_eigenvalues_are_those_of_the_dense_matrix_and_pairs_of_them():
    physics = operator()
    a = dense(physics)
    found = readout_gram(physics.mask, physics.coil_maps).eigenvalues
    assert found.shape == (HEIGHT, WIDTH)
    # A complex direction is two real ones.
    expected = torch.linalg.eigvalsh(a.T @ a)
    torch.testing.assert_close(found.flatten().repeat_interleave(2).sort().values, expected, rtol=1e-9, atol=1e-9)


def scattered_mask():
    mask = (torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) < 0.5).double()
    return mask.expand(1, 2, HEIGHT, WIDTH).clone()


def test_a_mask_of_scattered_samples_is_solved_by_conjugate_gradients():
    physics = operator()
    physics.update(mask=scattered_mask())
    assert readout_gram(physics.mask, physics.coil_maps) is None
    a = dense(physics)
    z, y = (
        torch.randn(1, 2, HEIGHT, WIDTH, dtype=torch.float64),
        physics.A(torch.randn(1, 2, HEIGHT, WIDTH).double()),
    )
    expected = torch.linalg.solve(3 * a.T @ a + eye(a.shape[1]), (3 * a.T @ y.flatten(1).T + z.flatten(1).T))
    torch.testing.assert_close(physics.prox_l2(z, y, 3.0).flatten(1).T, expected, rtol=1e-9, atol=1e-9)


def test_several_sets_of_maps_have_no_common_blocks():
    physics = operator()
    assert readout_gram(physics.mask, physics.coil_maps.repeat(2, 1, 1, 1)) is None


@pytest.mark.parametrize("change", ["another mask", "another set of maps", "a mask that is written to", "a copy"])
def test_what_is_decomposed_is_that_of_the_moment(change):
    physics = operator()
    z, y = torch.randn(1, 2, HEIGHT, WIDTH).double(), physics.A(torch.randn(1, 2, HEIGHT, WIDTH).double())
    before = physics.prox_l2(z, y, 3.0)
    if change == "another mask":
        physics.update(mask=physics.mask.roll(1, dims=-1))
    elif change == "another set of maps":
        physics.update(coil_maps=physics.coil_maps.flip(1) * 0.5)
    elif change == "a mask that is written to":
        physics.mask.fill_(0.5)
    else:
        same = copy.deepcopy(physics)
        assert torch.equal(same.prox_l2(z, y, 3.0), before)
        return
    a = dense(physics)
    expected = torch.linalg.solve(3 * a.T @ a + eye(a.shape[1]), (3 * a.T @ y.flatten(1).T + z.flatten(1).T))
    after = physics.prox_l2(z, y, 3.0)
    assert not torch.allclose(after, before, atol=1e-3)
    torch.testing.assert_close(after.flatten(1).T, expected, rtol=1e-6, atol=1e-6)


def test_it_is_decomposed_once(monkeypatch):
    physics, calls, eigh = operator(), [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda a: calls.append(a.shape) or eigh(a))
    for _ in range(3):
        physics.whiten(physics.A(torch.ones(1, 2, HEIGHT, WIDTH).double()), 0.1)
    assert calls == [(HEIGHT, WIDTH, WIDTH)]


def test_whitening_is_the_dense_inverse():
    physics = operator()
    a = dense(physics)
    r = torch.randn(2, 2, COILS, HEIGHT, WIDTH, dtype=torch.float64)
    expected = torch.linalg.solve(a @ a.T + 0.05 * eye(a.shape[0]), r.flatten(1).T).T
    torch.testing.assert_close(physics.whiten(r, 0.05).flatten(1), expected, rtol=1e-9, atol=1e-9)
    with pytest.raises(InputError, match="regularisation"):
        physics.whiten(r, 0.0)
    with pytest.raises(InputError, match="y has shape"):
        physics.whiten(r[..., :-1], 0.05)


@forward_mode
def test_whitening_is_differentiable_in_everything():
    physics = mri(4, acceleration=2, center_fraction=0.25, n_coils=2).double()
    r = torch.randn(1, 2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    s = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(physics.whiten, (r, s), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(physics.whiten, (r, s), fast_mode=True)
