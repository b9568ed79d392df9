"""Denoisers with known answers, and random networks, in float64 on 16x16 images."""

import torch
from torch import Tensor, nn

from eiwork.models import GradientStepDenoiser, InputConvexPotential, ResidualCNN

SIZE = 16
N = SIZE * SIZE


class Linear(nn.Module):
    """D(x) = M x on flattened images."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.matrix.T).view_as(x)


class LogBarrier(nn.Module):
    """The proximal map of -weight log x, pixel by pixel: smooth, nonlinear, with a prior in closed form."""

    def __init__(self, weight: float = 0.3) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, z: Tensor) -> Tensor:
        return (z + (z.square() + 4 * self.weight).sqrt()) / 2

    def phi(self, x: Tensor) -> Tensor:
        return -self.weight * x.log().flatten(1).sum(dim=1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(batch: int = 3, size: int = SIZE, seed: int = 0) -> Tensor:
    return torch.rand(batch, 1, size, size, dtype=torch.float64, generator=generator(seed))


def symmetric(low: float, high: float, n: int = N, seed: int = 0) -> Tensor:
    """A symmetric matrix with eigenvalues evenly from low to high and random eigenvectors."""
    q = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator(seed))).Q
    return q @ torch.diag(torch.linspace(low, high, n, dtype=torch.float64)) @ q.T


def network(channels: int = 1, strength: float = 100.0) -> ResidualCNN:
    """A random network, far enough from initialisation that its Jacobian is not nearly diagonal."""
    torch.manual_seed(0)
    denoiser = ResidualCNN(channels, width=8, depth=3).double()
    with torch.no_grad():
        denoiser.network[-1].weight.mul_(strength)
    return denoiser


def gradient_network(strength: float = 100.0) -> GradientStepDenoiser:
    torch.manual_seed(0)
    denoiser = GradientStepDenoiser.convolutional(1, width=8, depth=3).double()
    with torch.no_grad():
        denoiser.network.network[-1].weight.mul_(strength)
    return denoiser


def convex_network() -> InputConvexPotential:
    """A convex potential whose features count: its Jacobian has eigenvalues well above the quadratic term's."""
    torch.manual_seed(0)
    denoiser = InputConvexPotential(1, width=8, depth=2).double()
    with torch.no_grad():
        denoiser.readout.add_(4.0)
        denoiser.quadratic.fill_(-1.0)
    return denoiser


class Rotated(nn.Module):
    """D(x) + s R x: R makes (-b, a) of every pair (a, b) of neighbouring values, so the rotation has a known size."""

    def __init__(self, denoiser: nn.Module, strength: float) -> None:
        super().__init__()
        self.denoiser, self.strength = denoiser, strength

    def rotation(self, x: Tensor) -> Tensor:
        a, b = x.flatten(1).view(len(x), -1, 2).unbind(dim=2)
        return torch.stack([-b, a], dim=2).view_as(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.denoiser(x) + self.strength * self.rotation(x)
