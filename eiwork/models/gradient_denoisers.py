"""Denoisers that are gradients by construction: D = grad psi, so that their Jacobian is symmetric."""

import math
from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, softplus

from eiwork.fixed_point.capture import is_wrapped
from eiwork.fixed_point.record import require
from eiwork.models.denoisers import ResidualCNN, check_image, check_settings, of_images, to_blocks

Image = Float[Tensor, "batch channel height width"]
PerImage = Float[Tensor, " batch"]
_STRONG_CONVEXITY, _SHARPNESS = 0.05, 10.0


def gradient_of(potential: Callable[[Tensor], Tensor], x: Image) -> Image:
    """The gradient at x of a potential, image -> one number a sample; differentiable, also by `torch.func`."""
    if is_wrapped(x):
        return torch.func.grad(lambda v: potential(v).sum())(x)
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # An alias: x itself may be a parameter or shared with the graph that asks.
        leaf = x.view_as(x) if x.requires_grad and create_graph else x.detach().requires_grad_()
        total = potential(leaf).sum()
        (gradient,) = torch.autograd.grad(total, leaf, create_graph=create_graph, materialize_grads=True)
    return gradient


class GradientStepDenoiser(nn.Module):
    """D(x) = (1 - shrinkage) x - grad g(x), with g(x) = <x, x - R(x)> / 2 for a network R: the gradient of a potential.

    D = grad psi, psi(x) = (1 - shrinkage) ||x||^2 / 2 - g(x): its Jacobian is symmetric whatever the parameters, and D
    is the proximal map of some, possibly nonconvex, prior where that is positive semidefinite (arXiv 1807.04014). One
    evaluation costs about three of R.

    network: R, any module image -> image. shrinkage: in [0, 1); InputError for another one. Source: Hurault, Leclaire &
    Papadakis, arXiv 2110.03220, with the energy of RED (arXiv 1611.02862) as g; the shrinkage is ours.
    """

    def __init__(self, network: nn.Module, shrinkage: float | int = 0.1) -> None:
        super().__init__()
        check_settings(self, shrinkage)
        self.network, self.shrinkage = of_images(network), shrinkage

    @classmethod
    def convolutional(
        cls, channels: int = 1, width: int = 32, depth: int = 5, shrinkage: float | int = 0.1, unshuffle: int = 2
    ) -> "GradientStepDenoiser":
        """D(x) = (1 - shrinkage) x - (N(x) + J_N(x)^T x) / 2 with N that of the same ResidualCNN."""
        return cls(ResidualCNN(channels, width=width, depth=depth, shrinkage=0.0, unshuffle=unshuffle), shrinkage)

    def potential(self, x: Image) -> PerImage:
        """g, one number per image."""
        return (x * (x - self.network(x))).flatten(1).sum(dim=1) / 2

    def psi(self, x: Image) -> PerImage:
        """The potential whose gradient D is."""
        return (1 - self.shrinkage) * x.flatten(1).square().sum(dim=1) / 2 - self.potential(x)

    def forward(self, x: Image) -> Image:
        """Apply D to images (batch, channels, height, width)."""
        return (1 - self.shrinkage) * x - gradient_of(self.potential, x)


class InputConvexPotential(nn.Module):
    """D = grad psi with psi strongly convex: a learned proximal network, the proximal map of some prior whatever theta.

    psi(x) = (0.05 + c) ||x||^2 / 2 + sum w z_L, where z_1 = s(H_1 x + b_1), z_{l+1} = s(W_l z_l + H_{l+1} x + b_{l+1})
    are convolutions on pixel-unshuffled images, s is softplus, and w, W_l, c are not negative, so that psi is convex
    (arXiv 1609.07152), J_D symmetric with eigenvalues >= 0.05, and D invertible. Source: Fang, Buchanan & Sulam, arXiv
    2310.14344; the quadratic term and the start near a shrinkage are ours.

    channels, width, depth, unshuffle: as in `ResidualCNN`; depth counts the layers z_1 ... z_L, >= 1. shrinkage: in
    [0, 0.95); D starts near (1 - shrinkage) x. gain: every w at the start, > 0. Raises InputError for other values.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 32,
        depth: int = 4,
        unshuffle: int = 2,
        shrinkage: float | int = 0.1,
        gain: float | int = 1e-3,
    ) -> None:
        super().__init__()
        check_settings(self, shrinkage, channels=channels, width=width, depth=depth, unshuffle=unshuffle)
        most = 1 - _STRONG_CONVEXITY
        advice = f"the shrinkage must lie below {most:g} and the gain above 0; 0.1 and 1e-3 are a good start."
        require(self, shrinkage < most and gain > 0, advice, shrinkage=shrinkage, gain=gain)
        self.channels, self.unshuffle = channels, unshuffle
        outer = channels * unshuffle**2
        self.from_image = nn.ModuleList(nn.Conv2d(outer, width, kernel_size=3, padding=1) for _ in range(depth))
        # Non-negative weights are softplus of what is learnt; the start makes each row sum to about one.
        raw = math.log(math.expm1(1 / (9 * width)))
        self.between = nn.ParameterList(raw + 0.1 * torch.randn(width, width, 3, 3) for _ in range(depth - 1))
        self.readout = nn.Parameter(torch.full((width,), math.log(math.expm1(gain))))
        self.quadratic = nn.Parameter(torch.tensor(math.log(math.expm1(1 - shrinkage - _STRONG_CONVEXITY))))

    def psi(self, x: Image) -> PerImage:
        """The convex potential, one number per image."""
        check_image(self, x, self.channels, self.unshuffle)
        blocks = to_blocks(x, self.unshuffle)
        z = softplus(self.from_image[0](blocks), beta=_SHARPNESS)
        for weight, convolution in zip(self.between, self.from_image[1:], strict=True):
            mixed = conv2d(z, softplus(cast(Tensor, weight)), padding=1)
            z = softplus(mixed + convolution(blocks), beta=_SHARPNESS)
        curvature = _STRONG_CONVEXITY + softplus(self.quadratic)
        features = (softplus(self.readout)[:, None, None] * z).flatten(1).sum(dim=1)
        return curvature * x.flatten(1).square().sum(dim=1) / 2 + features

    def forward(self, x: Image) -> Image:
        """Apply D = grad psi to images (batch, channels, height, width)."""
        return gradient_of(self.psi, x)
