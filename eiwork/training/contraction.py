"""Keeping the iteration a contraction while it learns."""

from collections.abc import Callable

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.arnoldi import most_amplified
from eiwork.fixed_point.state import Packing, State, as_tuple, rows_of
from eiwork.models import DEQ
from eiwork.models.batch_map import BatchMap
from eiwork.training.settings import ContractionSettings


def contraction_penalty(
    f: Callable[[State], State], z: State, target: float = 0.95, krylov_size: int = 8
) -> tuple[Float[Tensor, ""], Float[Tensor, " batch"]]:
    """relu(||J^T v|| - target)^2 at z, averaged over the batch, and ||J^T v|| of each sample (detached).

    v is the unit vector that J^T = (df/dz)^T amplifies most in a Krylov space of dimension `krylov_size`,
    from a random start,
    so ||J^T v|| is a lower bound of the Lipschitz constant of f at z. The gradient reaches the parameters of f
    through one more product; v and z are constants. Penalties on Jacobians of equilibrium models: Bai, Koltun
    & Kolter, arXiv 2106.14342; on the spectral norm: Pesquet et al., arXiv 2012.13247. The Krylov search for
    v is ours.
    """
    packing = Packing.of(z)
    parts = tuple(part.detach().requires_grad_() for part in as_tuple(z))
    out = packing.pack(packing.check(f(parts if packing.is_tuple else parts[0])))

    def product(flat: Tensor, create_graph: bool = False) -> Tensor:
        products = torch.autograd.grad(
            out, parts, flat, retain_graph=True, create_graph=create_graph, materialize_grads=True
        )
        return packing.pack(products if packing.is_tuple else products[0])

    v = most_amplified(product, torch.randn_like(out), krylov_size)
    last = product(v, create_graph=True)
    # The small floor keeps the square root differentiable where J^T v vanishes.
    length = (last.square().sum(dim=1) + 1e-12).sqrt()
    return torch.relu(length - target).square().mean(), length.detach()


def sampled_penalty(
    model: DEQ,
    x: Float[Tensor, "batch channel height width"],
    y: Tensor,
    physics: LinearPhysics,
    settings: ContractionSettings,
) -> tuple[Float[Tensor, ""], Float[Tensor, " n"]]:
    """`contraction_penalty` of a DEQ at its equilibria x, of the whole batch or of `settings.samples` of it.

    The samples come from torch's default generator. Raises InputError where samples cannot be taken apart, because the
    operator holds parameters of each (equivariant splitting).
    """
    iteration = BatchMap(model.iterate, y, physics)
    z = model.iterate.state_from(x, y, physics)
    if settings.samples is not None and settings.samples < len(y):
        chosen = torch.randperm(len(y))[: settings.samples].to(y.device)
        part = iteration.select(chosen)
        if part is None:
            raise InputError(
                "contraction.samples looks at a part of a batch, and the operator differs from sample to sample (as in "
                "equivariant splitting): leave contraction.samples out."
            )
        iteration = part
        z = rows_of(z, chosen)
    return contraction_penalty(iteration, z, settings.target, settings.krylov_size)
