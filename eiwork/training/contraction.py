"""Keeping the iteration a contraction while it learns."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.state import norms

Image = Float[Tensor, "batch channel height width"]


def contraction_penalty(
    f: Callable[[Image], Image], z: Image, target: float = 0.9, power_iterations: int = 3
) -> tuple[Float[Tensor, ""], Float[Tensor, " batch"]]:
    """relu(||J^T v|| - target)^2 at z, averaged over the batch, and ||J^T v|| per sample (detached).

    v is a random direction after `power_iterations` normalised products with J^T, so ||J^T v|| approaches the modulus of
    the dominant eigenvalue of J = df/dz from below in most cases. The gradient reaches the parameters of f through the
    last product; v and z are constants. In the spirit of Bai, Koltun & Kolter, arXiv 2106.14342, and of Pesquet et al., arXiv
    2012.13247.
    """
    z = z.detach().requires_grad_()
    out = f(z)
    v = torch.randn_like(out)

    def unit(u: Tensor) -> Tensor:
        length = norms(u.flatten(1)).clamp(min=torch.finfo(u.dtype).tiny)
        return u / length[:, None, None, None]

    for _ in range(power_iterations):
        (v,) = torch.autograd.grad(out, z, unit(v), retain_graph=True)
    (last,) = torch.autograd.grad(out, z, unit(v), create_graph=True)
    # The small floor keeps the square root differentiable where J^T v vanishes.
    length = (last.flatten(1).square().sum(dim=1) + 1e-12).sqrt()
    return torch.relu(length - target).square().mean(), length.detach()
