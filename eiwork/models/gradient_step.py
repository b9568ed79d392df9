"""Denoisers that are gradients by construction: D = grad psi, so that their Jacobian is symmetric."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.capture import is_wrapped
from eiwork.models.denoisers import ResidualCNN

Image = Float[Tensor, "batch channel height width"]
Potential = Callable[[Tensor], Tensor]


def gradient_of(potential: Potential, x: Image) -> Image:
    """The gradient of a potential (image -> one number a sample) at x, differentiable in x and in the parameters.

    Under `torch.no_grad()` it carries no graph; under `torch.func` transforms it composes with them.
    """
    if is_wrapped(x):
        return torch.func.grad(lambda v: potential(v).sum())(x)
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # An alias: x itself may be a parameter or shared with the graph that asks.
        leaf = x.view_as(x) if x.requires_grad and create_graph else x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(
            potential(leaf).sum(), leaf, create_graph=create_graph, materialize_grads=True
        )
    return gradient


class ResidualPotential(nn.Module):
    """g(x) = ||x - R(x)||^2 / 2 for a network R: the potential of the gradient-step denoiser, arXiv 2110.03220.

    network: R, any module image -> image; `ResidualCNN(shrinkage=0.0)` starts near the identity, where g vanishes.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Image) -> Float[Tensor, " batch"]:
        """One number per image."""
        return (x - self.network(x)).flatten(1).square().sum(dim=1) / 2


class InnerProductPotential(nn.Module):
    """g(x) = <x, x - R(x)> / 2 for a network R: the energy of regularisation by denoising (arXiv 1611.02862).

    Unlike `ResidualPotential` its gradient is linear in the last layer of R, so training can leave a start near zero.
    network: R, any module image -> image; `ResidualCNN(shrinkage=0.0)` starts near the identity, where g vanishes.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Image) -> Float[Tensor, " batch"]:
        """One number per image."""
        return (x * (x - self.network(x))).flatten(1).sum(dim=1) / 2


class GradientStepDenoiser(nn.Module):
    """D(x) = (1 - shrinkage) x - grad g(x): the gradient of psi(x) = (1 - shrinkage) ||x||^2 / 2 - g(x).

    Its Jacobian is symmetric whatever the parameters; it is the proximal map of some, possibly nonconvex, prior where
    it is also positive semidefinite (arXiv 1807.04014). Source: Hurault, Leclaire & Papadakis, arXiv 2110.03220; the
    shrinkage is ours, as in `ResidualCNN`. One evaluation costs about three of the network in g.

    potential: g, image (batch, ...) -> (batch,), such as ResidualPotential(network) or InnerProductPotential(network).
    shrinkage: in [0, 1). Raises InputError for another shrinkage.
    """

    def __init__(self, potential: nn.Module, shrinkage: float | int = 0.1) -> None:
        super().__init__()
        if not 0 <= shrinkage < 1:
            raise InputError(f"GradientStepDenoiser(shrinkage={shrinkage}): must lie in [0, 1); 0.1 is a good start.")
        self.potential, self.shrinkage = potential, shrinkage

    @classmethod
    def convolutional(
        cls, channels: int = 1, width: int = 32, depth: int = 5, shrinkage: float = 0.1, unshuffle: int = 2
    ) -> "GradientStepDenoiser":
        """The symmetric counterpart of `ResidualCNN` with the same arguments and as many parameters.

        With N the network of that ResidualCNN, D(x) = (1 - shrinkage) x - (N(x) + J_N(x)^T x) / 2.
        """
        network = ResidualCNN(channels, width=width, depth=depth, shrinkage=0.0, unshuffle=unshuffle)
        return cls(InnerProductPotential(network), shrinkage)

    def psi(self, x: Image) -> Float[Tensor, " batch"]:
        """The potential whose gradient D is."""
        return (1 - self.shrinkage) * x.flatten(1).square().sum(dim=1) / 2 - self.potential(x)

    def forward(self, x: Image) -> Image:
        """Apply D to images (batch, channels, height, width)."""
        return (1 - self.shrinkage) * x - gradient_of(self.potential, x)
