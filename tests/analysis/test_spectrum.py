"""Extreme eigenvalues and the Lipschitz constant against dense ones, and where Krylov spaces end early."""

import pytest
import torch
from fields import SIZE, Linear, N, generator, images, network, symmetric

from eiwork.analysis import (
    dense_jacobian,
    jacobian,
    largest_stretch,
    null_space_projector,
    range_projector,
    symmetric_spectrum,
)
from eiwork.analysis.spectrum import extreme_ritz_values
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.physics import inpainting, tomography

X = images(3)


def test_both_ends_equal_the_dense_eigenvalues():
    dense = dense_jacobian(network(), X)
    expected = torch.linalg.eigvalsh((dense + dense.mT) / 2)
    found = symmetric_spectrum(jacobian(network(), X), generator=generator(), tol=1e-7, max_size=N)
    torch.testing.assert_close(found.smallest, expected[:, 0], rtol=1e-6, atol=0)
    torch.testing.assert_close(found.largest, expected[:, -1], rtol=1e-6, atol=0)
    assert found.size < N


def test_the_largest_stretch_equals_the_dense_norm():
    dense = dense_jacobian(network(), X)
    norm, _ = largest_stretch(jacobian(network(), X), generator=generator(), tol=1e-7, max_size=N)
    torch.testing.assert_close(norm, torch.linalg.matrix_norm(dense, 2), rtol=1e-6, atol=0)
    early, residual = largest_stretch(jacobian(network(), X), generator=generator(), tol=0.5)
    values = torch.linalg.svdvals(dense)
    assert bool((early <= values[:, 0]).all())
    assert bool(((values - early[:, None]).abs().amin(dim=1) <= residual).all())


def test_an_early_stop_is_a_bound_whose_residual_holds():
    dense = dense_jacobian(network(), X)
    values = torch.linalg.eigvalsh((dense + dense.mT) / 2)
    with pytest.warns(ConvergenceWarning, match="bounds from within"):
        found = symmetric_spectrum(jacobian(network(), X), generator=generator(), tol=1e-9, max_size=6)
    assert found.size == 6
    assert bool((found.largest <= values[:, -1]).all())
    assert bool((found.smallest >= values[:, 0]).all())
    gap = (values - found.largest[:, None]).abs().amin(dim=1)
    assert bool((gap <= found.residual_largest).all())
    assert float(found.residual_largest.min()) > 0


def test_multiple_eigenvalues_and_complete_krylov_spaces_are_no_obstacle():
    # Two eigenvalues in all, so a Krylov space is complete at dimension two; the images of the batch differ.
    two = Linear(torch.diag((torch.arange(N) < 5).double() * 3 - 1))
    for denoiser, low, high in ((two, -1.0, 2.0), (lambda x: 0.7 * x, 0.7, 0.7), (lambda x: 0 * x, 0.0, 0.0)):
        found = symmetric_spectrum(jacobian(denoiser, X), generator=generator(), tol=1e-10, max_size=40)
        assert found.smallest.tolist() == pytest.approx([low] * 3)
        assert found.largest.tolist() == pytest.approx([high] * 3)


def test_an_exhausted_subspace_adds_no_eigenvalue():
    physics = inpainting(SIZE, keep=(N - 4) / N).double()
    j = jacobian(Linear(symmetric(0.5, 1.0)), X).restricted(null_space_projector(physics))
    # Four dimensions are left: a zero from outside the subspace would be the smallest eigenvalue.
    found = symmetric_spectrum(j, generator=generator(), tol=1e-12, max_size=30)
    missing = (physics.mask.flatten() == 0).nonzero()[:, 0]
    expected = torch.linalg.eigvalsh(symmetric(0.5, 1.0)[missing][:, missing])
    torch.testing.assert_close(found.smallest, expected[:1].expand(3))
    torch.testing.assert_close(found.largest, expected[-1:].expand(3))


@pytest.mark.parametrize("project", [null_space_projector, range_projector])
def test_rounding_does_not_leak_out_of_a_subspace(project):
    physics = tomography(SIZE, 4)
    basis = torch.eye(N, dtype=torch.float64).view(N, 1, SIZE, SIZE)
    p = project(physics.double())(basis).flatten(1)
    dense = p @ dense_jacobian(network(), X) @ p
    # The zeros of P J P belong to no direction of the subspace.
    values = torch.linalg.eigvalsh((dense + dense.mT) / 2).sort(dim=1).values
    expected = values[:, N - round(float(p.trace()))]
    part = jacobian(network().float(), X.float()).restricted(project(tomography(SIZE, 4)))
    found = symmetric_spectrum(part, generator=generator(), tol=1e-4, max_size=120)
    torch.testing.assert_close(found.smallest, expected, rtol=1e-3, atol=0)
    assert float(found.smallest.min()) > 0.1


def test_unusable_settings_and_products_are_refused():
    j = jacobian(network(), X)
    with pytest.raises(InputError, match="max_size"):
        symmetric_spectrum(j, generator=generator(), max_size=0)
    with pytest.raises(ConvergenceError, match="not finite"):
        extreme_ritz_values(lambda v: v / 0, X)
