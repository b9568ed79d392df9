"""Potentials recovered by path integration, against exact ones."""

import pytest
import torch
from fields import (
    SIZE,
    Linear,
    LogBarrier,
    convex_network,
    generator,
    gradient_network,
    images,
    network,
    symmetric,
)

from eiwork.analysis import PathPotential, RotatedField
from eiwork.errors import InputError

X = images(4)
ZERO = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.float64)
CORNERS = [X.roll(1, 0), torch.randn(1, 1, SIZE, SIZE, dtype=torch.float64, generator=generator())]


@pytest.mark.parametrize("make", [gradient_network, convex_network])
def test_psi_is_recovered_with_little_path_dependence(make):
    denoiser = make()
    psi = PathPotential(denoiser, ZERO, order=40)
    torch.testing.assert_close(psi(X), denoiser.psi(X) - denoiser.psi(ZERO), rtol=1e-7, atol=1e-7)
    found = psi.path_dependence(X, CORNERS)
    assert float(found.relative.max()) < 1e-6
    torch.testing.assert_close(found.psi, psi(X), rtol=1e-6, atol=0)
    torch.testing.assert_close(psi.gradient(X), denoiser(X), rtol=1e-5, atol=1e-6)


def test_the_potential_of_a_symmetric_matrix():
    matrix = symmetric(-0.5, 1.5)
    psi = PathPotential(Linear(matrix), ZERO, order=1)
    expected = (X.flatten(1) @ matrix * X.flatten(1)).sum(dim=1) / 2
    torch.testing.assert_close(psi(X), expected)
    base = PathPotential(Linear(matrix), X[:1], order=2)
    torch.testing.assert_close(base(X), expected - expected[0])


def test_the_gradient_of_the_potential_keeps_the_symmetric_part_alone():
    matrix = symmetric(0.2, 1.0) + 0.3 * torch.triu(torch.ones(256, 256, dtype=torch.float64), 1) / 16
    psi = PathPotential(Linear(matrix), ZERO, order=2)
    torch.testing.assert_close(psi.gradient(X), Linear((matrix + matrix.T) / 2)(X))


def test_path_dependence_of_a_rotation_is_its_circulation():
    field = RotatedField(Linear(symmetric(0.2, 1.0)), 0.5, (1, SIZE, SIZE), generator())
    corner = CORNERS[1]
    found = PathPotential(field, ZERO, order=2).path_dependence(X, [corner])
    # Straight and bent path differ by the work of the rotation around the triangle 0, corner, x: 0.5 <R corner, x>.
    gap = 0.5 * (field.rotation(corner) * X).flatten(1).sum(dim=1)
    torch.testing.assert_close(found.spread, gap.abs() / 2**0.5)
    torch.testing.assert_close(found.relative, found.spread / found.psi.abs())
    assert float(found.spread.min()) > 0
    assert float(PathPotential(network(), ZERO).path_dependence(X, CORNERS).relative.min()) > 1e-5


def test_the_quadrature_error_falls_with_the_order():
    coarse = PathPotential(LogBarrier(), ZERO, order=4).path_dependence(X, CORNERS)
    fine = PathPotential(LogBarrier(), ZERO, order=16, chunk=5).path_dependence(X, CORNERS)
    assert float(fine.quadrature_error.max()) < 0.01 * float(coarse.quadrature_error.min())


def test_unusable_bases_and_paths_are_refused():
    with pytest.raises(InputError, match="one image"):
        PathPotential(network(), X)
    with pytest.raises(InputError, match="corner"):
        PathPotential(network(), ZERO).path_dependence(X, [])
