"""Small problems with dense answers: operators as matrices, linear denoisers, gradients by dense solves."""

import torch
from torch import nn

from eiwork.analysis import dense_jacobian
from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.fixed_point.state import Packing, as_tuple
from eiwork.models import (
    ADMM,
    DEQ,
    GradientDescent,
    GradientStep,
    HalfQuadraticSplitting,
    ProximalGradient,
    ProximalStep,
    WhitenedStep,
)
from eiwork.physics import inpainting, mri, tomography

SIZE = 8
PHYSICS = {
    "ct": lambda: tomography(SIZE, 5).double(),
    "mri": lambda: mri(SIZE, acceleration=2, center_fraction=0.25).double(),
    "coils": lambda: mri(SIZE, acceleration=4, center_fraction=0.25, n_coils=2).double(),
    "inpainting": lambda: inpainting(SIZE, keep=0.5).double(),
}
ITERATIONS = {
    "proximal_gradient": lambda d: ProximalGradient(d, GradientStep(0.8)),
    "whitened": lambda d: ProximalGradient(d, WhitenedStep(0.8, 0.05)),
    "proximal_step": lambda d: ProximalGradient(d, ProximalStep(0.2)),
    "half_quadratic_splitting": lambda d: HalfQuadraticSplitting(d, 0.2),
    "admm": lambda d: ADMM(d, 0.5),
    "gradient_descent": lambda d: GradientDescent(d, 0.6, 0.4),
}
CASES = [
    (physics, iteration)
    for physics in PHYSICS
    for iteration in ITERATIONS
    if physics == "ct" or iteration != "whitened"
]


class LinearDenoiser(nn.Module):
    """D(x) = M x with M symmetric and eigenvalues in [0, largest]: firmly nonexpansive, a proximal map."""

    def __init__(self, channels, largest=0.9):
        super().__init__()
        n = channels * SIZE * SIZE
        vectors = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64)).Q
        self.register_buffer("matrix", vectors * torch.linspace(0, largest, n, dtype=torch.float64) @ vectors.T)

    def forward(self, x):
        return (x.flatten(1) @ self.matrix).view_as(x)


def channels_of(kind):
    return 2 if kind in ("mri", "coils") else 1


def measured(kind, batch=2):
    """An operator and measurements of random images."""
    physics = PHYSICS[kind]()
    return physics, physics.A(torch.rand(batch, channels_of(kind), SIZE, SIZE, dtype=torch.float64))


def dense_matrix(physics, channels):
    n = channels * SIZE * SIZE
    return physics.A(torch.eye(n, dtype=torch.float64).view(n, channels, SIZE, SIZE)).flatten(1).T


def tight(iteration):
    """A DEQ solved to the precision of float64."""
    return DEQ(iteration, Anderson(tol=1e-13, max_iter=500), Implicit(GMRES(tol=1e-13, max_iter=400))).double()


def dense_call(model, y, physics):
    """The model's reconstruction with its gradient by a dense solve, as one node of the graph."""
    z = model.solve(y.detach(), physics).value
    packing = Packing.of(z)
    jacobian = dense_jacobian(lambda z: model.iteration(z, y.detach(), physics), z)
    system = torch.eye(jacobian.shape[1], dtype=torch.float64) - jacobian.transpose(1, 2)
    out = packing.pack(model.iteration(z, y, physics))
    out.register_hook(lambda g: torch.linalg.solve(system, g[:, :, None])[:, :, 0])
    return model.iterate.image(packing.unpack(out))


def spectral_radius(model, y, physics):
    z = model.solve(y, physics).value
    jacobian = dense_jacobian(lambda z: model.iteration(z, y, physics), z)
    return float(torch.linalg.eigvals(jacobian).abs().max()), jacobian


def distance(a, b):
    """Largest relative distance of two states."""
    pairs = zip(as_tuple(a), as_tuple(b), strict=True)
    return max(float((p - q).norm() / q.norm().clamp(min=1e-300)) for p, q in pairs)
