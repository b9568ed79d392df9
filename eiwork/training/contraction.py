"""Keeping the iteration a contraction while it learns."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.arnoldi import most_amplified

Image = Float[Tensor, "batch channel height width"]


def contraction_penalty(
    f: Callable[[Image], Image], z: Image, target: float = 0.95, krylov_size: int = 8
) -> tuple[Float[Tensor, ""], Float[Tensor, " batch"]]:
    """relu(||J^T v|| - target)^2 at z, averaged over the batch, and ||J^T v|| of each sample (detached).

    v is the unit vector that J^T = (df/dz)^T amplifies most in a Krylov space of dimension `krylov_size`,
    from a random start,
    so ||J^T v|| is a lower bound of the Lipschitz constant of f at z. The gradient reaches the parameters of f
    through one more product; v and z are constants. Penalties on Jacobians of equilibrium models: Bai, Koltun
    & Kolter, arXiv 2106.14342; on the spectral norm: Pesquet et al., arXiv 2012.13247. The Krylov search for
    v is ours.
    """
    z = z.detach().requires_grad_()
    out = f(z)

    def product(flat: Tensor) -> Tensor:
        return torch.autograd.grad(out, z, flat.view_as(z), retain_graph=True)[0].flatten(1)

    v = most_amplified(product, torch.randn_like(z).flatten(1), krylov_size)
    (last,) = torch.autograd.grad(out, z, v.view_as(z), create_graph=True)
    # The small floor keeps the square root differentiable where J^T v vanishes.
    length = (last.flatten(1).square().sum(dim=1) + 1e-12).sqrt()
    return torch.relu(length - target).square().mean(), length.detach()
