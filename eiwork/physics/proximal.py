"""The proximal map of the data term, argmin over x of gamma / 2 ||A x - y||^2 + 1 / 2 ||x - z||^2, exactly."""

import torch
from deepinv.physics import DecomposablePhysics, LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.checks import checked_positive

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


class MaskedProx(DecomposablePhysics):
    """The proximal step in closed form, for an operator with A^T A diagonal in the basis of its mask."""

    def prox_l2(
        self,
        z: Tensor | float | int | None,
        y: Tensor,
        gamma: float | int | Tensor,
        mask: Tensor | None = None,
        **kwargs: object,
    ) -> Float[Tensor, "batch c h w"]:
        """argmin over x of gamma / 2 ||A x - y||^2 + 1 / 2 ||x - z||^2, in closed form, differentiable.

        Args:
            z: images, or a number for a constant image; None is 0.
            y: measurements.
            gamma: positive number or tensor of one element; several elements are left to deepinv.
            mask: a new mask, as in `A`.
            kwargs: those that deepinv passes on to iterative solvers.

        Raises:
            InputError: unusable z, y or gamma.
        """
        self.update_parameters(mask=mask)
        if several(gamma):
            return super().prox_l2(z, y, gamma, **kwargs)
        gamma = checked_positive(gamma, "gamma")
        return masked_prox(self, image_of(z, y, self), y, 1 / gamma)
