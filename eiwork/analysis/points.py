"""Where a DEQ evaluates its denoiser: the images at which its Jacobian matters."""

from typing import Any

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.jacobian import draw_normal
from eiwork.errors import InputError
from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]


@torch.no_grad()
def evaluation_points(
    model: DEQ, x: Image, physics: LinearPhysics, generator: torch.Generator, *, iterates: int = 3
) -> dict[str, Image]:
    """Images at which to look at the denoiser of a DEQ.

    "clean": x. "iterate": what the denoiser is given after `iterates` plain iterations from the start. "fixed point":
    what it is given at the fixed point of A x. "noise": white noise with the mean and standard deviation of x, off the
    data. Raises InputError for a model whose iteration has no `denoiser`.
    """
    denoiser = getattr(model.iterate, "denoiser", None)
    if denoiser is None:
        raise InputError(f"{type(model.iterate).__name__} has no denoiser of its own: pass the points yourself.")
    y = physics.A(x)
    state = model.iterate.start(y, physics)
    for _ in range(iterates):
        state = model.iteration(state, y, physics)
    return {
        "clean": x,
        "iterate": _given(model, denoiser, state, y, physics),
        "fixed point": _given(model, denoiser, model.solve(y, physics).value, y, physics),
        "noise": x.mean() + x.std() * draw_normal(x, generator),
    }


def _given(model: DEQ, denoiser: Any, state: Any, y: Tensor, physics: LinearPhysics) -> Image:
    """The denoiser's argument in one iteration from a state."""
    seen: list[Tensor] = []
    hook = denoiser.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    try:
        model.iteration(state, y, physics)
    finally:
        hook.remove()
    return seen[0]
