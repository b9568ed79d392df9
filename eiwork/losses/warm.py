"""A further solve of a model, begun at an image that is close to its answer."""

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]


def solve_near(model: nn.Module, y: Tensor, physics: LinearPhysics, near: Image) -> Image:
    """model(y, physics); a DEQ begins at `near`, which its answer forgets within the solver's tolerance."""
    if not isinstance(model, DEQ):
        return model(y, physics)
    with torch.no_grad():
        z0 = model.iterate.state_from(near, y, physics)
    return model(y, physics, z0=z0)
