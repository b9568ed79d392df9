"""Line integrals around loops: zero for gradients, known for rotations, with the error of the quadrature."""

import math

import pytest
import torch
from fields import SIZE, Linear, LogBarrier, N, Rotated, convex_network, generator, gradient_network, images, network

from eiwork.analysis import Ellipse, circulation, line_integral
from eiwork.errors import InputError

X = images(5)
MATRIX = torch.randn(N, N, dtype=torch.float64, generator=generator(3)) / 16


def circles(radius):
    """Ellipses around the images, in random planes; radius: the root mean square of a pixel."""
    draws = [torch.randn(X.shape, dtype=torch.float64, generator=generator(k)) for k in (4, 5)]
    return Ellipse(X, *(radius * draw for draw in draws))


@pytest.mark.parametrize("make", [gradient_network, convex_network, LogBarrier])
def test_a_gradient_has_no_circulation(make):
    found = circulation(make(), circles(0.1), order=48)
    assert float(found.learnt.abs().max()) < 1e-6
    assert float(found.value.abs().max()) < 1e-7


def test_the_circulation_of_a_linear_map_around_an_ellipse():
    loop = circles(1.0)
    found = circulation(Linear(MATRIX), loop, order=8)
    a, b = loop.u.flatten(1), loop.v.flatten(1)
    expected = math.pi * (((a @ MATRIX.T) * b).sum(1) - ((b @ MATRIX.T) * a).sum(1))
    torch.testing.assert_close(found.value, expected)


def test_a_pure_rotation_does_nothing_but_circulate():
    field = Rotated(Linear(0.9 * torch.eye(N, dtype=torch.float64)), 0.2)
    u = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.float64)
    u[0, 0, 3, 5] = 0.7
    found = circulation(field, Ellipse(X[:1], u, field.rotation(u)), order=16)
    assert float(found.value) == pytest.approx(2 * math.pi * 0.7**2 * 0.2)
    assert float(found.learnt) == pytest.approx(1.0)
    assert float(found.multiple) == pytest.approx(0.9)
    # Beside the pull of 0.9 x towards the origin, the same circulation looks smaller.
    assert 0 < float(found.normalised) < 1
    assert float(circulation(field, Ellipse(X[:1], field.rotation(u), u), order=16).learnt) == pytest.approx(-1)


def test_a_network_circulates_and_the_quadrature_converges_quickly():
    loops = circles(0.3)
    exact = circulation(network(), loops, order=400)
    assert float(exact.learnt.abs().min()) > 1e-3
    found = circulation(network(), loops, order=32)
    torch.testing.assert_close(found.value, exact.value, rtol=0, atol=1e-3 * float(exact.value.abs().max()))
    # The 32 nodes of five loops are more images than D is shown at once.
    one = Ellipse(loops.centre[3:4], loops.u[3:4], loops.v[3:4])
    torch.testing.assert_close(circulation(network(), one, order=32).value, found.value[3:4])


def test_a_line_integral_of_a_gradient_is_a_difference_of_its_potential():
    denoiser = gradient_network()
    work = line_integral(denoiser, X[:1], X[1:], order=12)
    torch.testing.assert_close(work, denoiser.psi(X[1:]) - denoiser.psi(X[:1]), rtol=1e-8, atol=1e-8)
    one, nine = (line_integral(LogBarrier(), X[:1], X[1:], order=order) for order in (1, 9))
    assert not torch.allclose(one, nine, rtol=1e-6)
    with pytest.raises(InputError, match="order=0"):
        line_integral(denoiser, X, X, order=0)
    with pytest.raises(InputError, match="three nodes"):
        circulation(denoiser, circles(0.1), order=2)
