"""The proximal map of the data term, argmin over x of gamma / 2 ||A x - y||^2 + 1 / 2 ||x - z||^2, exactly."""

import torch
from deepinv.physics import DecomposablePhysics, LinearPhysics
from jaxtyping import Float
from torch import Tensor

Image = Float[Tensor, "batch channel height width"]


def image_of(z: Tensor | float | int | None, y: Tensor, physics: LinearPhysics) -> Image:
    """deepinv's ways to give the point z: images, a number for a constant image, or None for zero."""
    if isinstance(z, Tensor):
        return z
    return torch.full_like(physics.A_adjoint(y), 0.0 if z is None else float(z))


def several(gamma: float | int | Tensor) -> bool:
    """Whether gamma has one value per sample, which is left to deepinv's own methods."""
    return isinstance(gamma, Tensor) and gamma.numel() != 1


def masked_prox(physics: DecomposablePhysics, z: Image, y: Tensor, inverse_gamma: float | Tensor) -> Image:
    """The proximal map where A is a mask after an orthonormal transform: A A^T = mask^2, so one division solves it.

    z + A^T (mask^2 + 1 / gamma)^-1 (y - A z), two transforms; differentiable in everything.
    """
    return z + physics.A_adjoint((y - physics.A(z)) / (physics.mask.square() + inverse_gamma))
