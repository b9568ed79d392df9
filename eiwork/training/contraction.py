"""Keeping the iteration a contraction while it learns."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.state import Packing, State, as_tuple, rows_of
from eiwork.fixed_point.vectors import most_amplified
from eiwork.models import DEQ
from eiwork.models.deq import BatchMap


@dataclass(frozen=True)
class Contraction:
    """Adds weight * relu(||J^T v|| - target)^2 at the fixed points, J = dF/dz, so that F stays a contraction; ours.

    weight: > 0. target: of the Lipschitz constant, > 0. samples: how many of a batch, drawn anew in every step, are
    looked at, an unbiased estimate of the mean over the batch at a part of its cost; None for all. krylov_size: of the
    search for v. rescue: in a step none of whose solves reaches its tolerance, leave out the loss, whose gradient is of
    no fixed point, and let the penalty alone lead back. Raises InputError for values out of range.
    """

    weight: float = 1.0
    target: float = 0.95
    samples: int | None = 2
    krylov_size: int = 8
    rescue: bool = False

    def __post_init__(self) -> None:
        counts = (self.krylov_size, 1 if self.samples is None else self.samples)
        if not (self.weight > 0 and self.target > 0) or min(counts) < 1:
            raise InputError(f"{self}: weight and target must be positive, krylov_size and samples (or None) >= 1.")

    def penalty(
        self, model: DEQ, x: Float[Tensor, "batch channel height width"], y: Tensor, physics: LinearPhysics
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " n"]]:
        """`contraction_penalty` of a DEQ at its equilibria x, of some samples (torch's default generator) or of all.

        All are looked at where samples cannot be taken apart, because the operator holds parameters of each.
        """
        iteration = BatchMap(model.iterate, y, physics)
        z = model.iterate.state_from(x, y, physics)
        if self.samples is not None and self.samples < len(y):
            chosen = torch.randperm(len(y))[: self.samples].to(y.device)
            part = iteration.select(chosen)
            if part is not None:
                iteration, z = part, rows_of(z, chosen)
        return contraction_penalty(iteration, z, self.target, self.krylov_size)


def contraction_penalty(
    f: Callable[[State], State], z: State, target: float = 0.95, krylov_size: int = 8
) -> tuple[Float[Tensor, ""], Float[Tensor, " batch"]]:
    """relu(||J^T v|| - target)^2 at z, averaged over the batch, and ||J^T v|| of each sample (detached).

    v is the unit vector that J^T = (df/dz)^T amplifies most in a Krylov space of dimension `krylov_size`, from a random
    start, so ||J^T v|| is a lower bound of the Lipschitz constant of f at z; v and z are constants of the gradient.
    Sources: Bai, Koltun & Kolter, arXiv 2106.14342; Pesquet et al., arXiv 2012.13247; the Krylov search is ours.
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
