"""Is a gradient right, and what does it keep: two gradients compared, and the memory of a backward pass."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point import FixedPointSolver, GradientMode
from eiwork.models import DEQ


@dataclass(frozen=True)
class GradientComparison:
    """relative_error = ||g - r|| / ||r||; cosine in [-1, 1]; norm_ratio = ||g|| / ||r||."""

    relative_error: float
    cosine: float
    norm_ratio: float


def compare_gradients(gradient: Sequence[Tensor], reference: Sequence[Tensor]) -> GradientComparison:
    """Compare two gradients, given as one tensor per parameter.

    Raises InputError if shapes differ or the reference is zero.
    """
    if [g.shape for g in gradient] != [r.shape for r in reference]:
        raise InputError("The gradient and its reference belong to different parameters: their shapes differ.")
    g = torch.cat([part.detach().double().flatten() for part in gradient])
    r = torch.cat([part.detach().double().flatten() for part in reference])
    if float(r.norm()) == 0:
        raise InputError("The reference gradient is zero: a relative error has no meaning.")
    cosine = torch.nn.functional.cosine_similarity(g, r, dim=0)
    return GradientComparison(float((g - r).norm() / r.norm()), float(cosine), float(g.norm() / r.norm()))


def loss_gradient(
    model: DEQ,
    loss: Callable[[DEQ], Float[Tensor, ""]],
    gradient: GradientMode | None = None,
    solver: FixedPointSolver | None = None,
    *,
    seed: int = 0,
) -> list[Tensor]:
    """The gradient of a loss with respect to each trainable weight of a DEQ, by any gradient mode.

    loss: model -> a scalar, such as `lambda model: EI(group)(model, y, physics).total`; it may call the model as often
    as it likes, and gets a copy with the same weights. gradient, solver: the model's own by default. Everything random
    in the loss starts from `seed`; the weights, the settings and the random state are left as they were.
    """
    twin = copy.copy(model)  # shares the weights
    twin.gradient = model.gradient if gradient is None else gradient
    twin.solver = model.solver if solver is None else solver
    weights = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        raise InputError("No weight of this model is trainable: call model.requires_grad_(True) first.")
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        return list(torch.autograd.grad(loss(twin), weights, materialize_grads=True))


def saved_bytes(function: Callable[[], Any]) -> int:
    """Bytes of the distinct storages that autograd saves while `function` runs (parameters included).

    Counted through saved-tensor hooks: exact and repeatable, unlike the resident memory of the process. What a custom
    function keeps outside `save_for_backward` is not seen.
    """
    kept: dict[int, torch.UntypedStorage] = {}  # held, as an address must not be used again while we count

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function()
    return sum(storage.nbytes() for storage in kept.values())
