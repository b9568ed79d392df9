"""The proximal map of the data term, argmin over x of gamma / 2 ||A x - y||^2 + 1 / 2 ||x - z||^2, exactly."""

import torch
from deepinv.physics import DecomposablePhysics, LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.checks import checked_positive
from eiwork.physics.shifted_inverse import Method, shifted_inverse

Image = Float[Tensor, "batch channel height width"]


def image_of(z: Tensor | float | int | None, y: Tensor, physics: LinearPhysics) -> Image:
    """deepinv's ways to give the point z: images, a number for a constant image, or None for zero."""
    if isinstance(z, Tensor):
        return z
    return torch.full_like(physics.A_adjoint(y), 0.0 if z is None else float(z))


def several(gamma: float | int | Tensor) -> bool:
    """Whether gamma has one value per sample, which is left to deepinv's own methods."""
    return isinstance(gamma, Tensor) and gamma.numel() != 1


class MaskedProx(DecomposablePhysics):
    """The proximal step in closed form where A is a mask after an orthonormal transform, so that A A^T = mask^2."""

    def prox_l2(
        self,
        z: Tensor | float | int | None,
        y: Tensor,
        gamma: float | int | Tensor,
        mask: Tensor | None = None,
        **kwargs: object,
    ) -> Float[Tensor, "batch c h w"]:
        """z + A^T (mask^2 + 1 / gamma)^-1 (y - A z), two transforms; differentiable in everything.

        z: as in `image_of`. gamma: positive, one number (or tensor of one element); several are left to deepinv, with
        `kwargs`. mask: a new one, as in `A`. `InputError` for unusable z, y or gamma.
        """
        self.update_parameters(mask=mask)
        if several(gamma):
            return super().prox_l2(z, y, gamma, **kwargs)
        shift = 1 / checked_positive(gamma, "gamma")
        point = image_of(z, y, self)
        return point + self.A_adjoint((y - self.A(point)) / (self.mask.square() + shift))


class NormalProx(LinearPhysics):
    """The proximal step and the whitening of an operator that can solve (A^T A + s I) x = b: `normal_inverse`.

    Both are differentiable in everything to any order, each derivative one more such solve. `InputError` for tensors
    that do not fit; `ConvergenceWarning` where an iterative solve misses its tolerance.
    """

    def normal_inverse(self) -> Method:
        """How (A^T A + s I)^-1 b is solved."""
        raise NotImplementedError

    def prox_l2(
        self, z: Tensor | float | int | None, y: Tensor, gamma: float | int | Tensor, **kwargs: object
    ) -> Float[Tensor, "batch c height width"]:
        """z + (A^T A + I / gamma)^-1 A^T (y - A z); z and gamma as in `MaskedProx`, `kwargs` as there."""
        if several(gamma):
            return super().prox_l2(z, y, gamma, **kwargs)
        shift = 1 / checked_positive(gamma, "gamma")
        point = image_of(z, y, self)
        return point + shifted_inverse(self.A_adjoint(y - self.A(point)), shift, self.normal_inverse())

    def whiten(self, r: Tensor, regularisation: float | int | Tensor) -> Tensor:
        """(A A^T + regularisation I)^-1 r, the preconditioner of a data step, in the shape of a measurement.

        It is (r - A (A^T A + regularisation I)^-1 A^T r) / regularisation. regularisation: positive number or tensor of
        one element; the operator has norm 1.
        """
        shift = checked_positive(regularisation, "regularisation")
        return (r - self.A(shifted_inverse(self.A_adjoint(r), shift, self.normal_inverse()))) / shift
