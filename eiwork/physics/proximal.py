"""The proximal map of the data term, argmin over x of gamma / 2 ||A x - y||^2 + 1 / 2 ||x - z||^2, exactly."""

import torch
from deepinv.physics import DecomposablePhysics, LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.checks import checked_positive
from eiwork.physics.linear import Method, shifted_inverse


class ExactProx(LinearPhysics):
    """deepinv's data step of HQS and ADMM by an operator's own `data_step`, differentiable in everything."""

    def data_step(self, r: Tensor, shift: float | Tensor) -> Tensor:
        """A^T (A A^T + shift I)^-1 r for a checked shift."""
        raise NotImplementedError

    def prox_l2(
        self, z: Tensor | float | int | None, y: Tensor, gamma: float | int | Tensor, **kwargs: object
    ) -> Float[Tensor, "batch channel height width"]:
        """z + A^T (A A^T + I / gamma)^-1 (y - A z).

        z: images, or a number for a constant image; None is 0. gamma: positive number or tensor of one element; several
        elements are left to deepinv, with `kwargs`. kwargs: new parameters (a mask), too. `InputError` for unusable z,
        y or gamma.
        """
        self.update_parameters(**kwargs)
        if isinstance(gamma, Tensor) and gamma.numel() != 1:
            return super().prox_l2(z, y, gamma, **kwargs)
        shift = 1 / checked_positive(gamma, "gamma")
        point = z if isinstance(z, Tensor) else torch.full_like(self.A_adjoint(y), 0.0 if z is None else float(z))
        return point + self.data_step(y - self.A(point), shift)


class MaskedProx(ExactProx, DecomposablePhysics):
    """An operator that is a mask after an orthonormal transform, so that A A^T = mask^2; images are checked.

    Its `A_dagger` is the minimum-norm inverse exactly: measured values as they are, the others zero.
    """

    def data_step(self, r: Tensor, shift: float | Tensor) -> Tensor:
        """In closed form."""
        return self.A_adjoint(r / (self.mask.square() + shift))

    def check(self, value: Tensor, name: str) -> None:
        """Refuse (`InputError`) what is not a batch of images; measurements have their shape."""
        raise NotImplementedError

    # Plain tensors in, checked by hand: see eiwork.physics.tomography.
    def A(self, x: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch c h w"]:
        """Transform x and zero what is not measured; `InputError` for unusable x."""
        self.check(x, "x")
        return super().A(x, mask=mask, **kwargs)

    def A_adjoint(self, y: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch c h w"]:
        """Inverse transform of the masked y; `InputError` for unusable y."""
        self.check(y, "y")
        return super().A_adjoint(y, mask=mask, **kwargs)

    def A_dagger(self, y: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch c h w"]:
        """Minimum-norm inverse of y; `InputError` for unusable y."""
        self.check(y, "y")
        return super().A_dagger(y, mask=mask, **kwargs)


class NormalProx(ExactProx):
    """The proximal step and the whitening of an operator that can solve (A^T A + s I) x = b: `normal_inverse`.

    Both are differentiable in everything to any order, each derivative one more such solve. `InputError` for tensors
    that do not fit; `ConvergenceWarning` where an iterative solve misses its tolerance.
    """

    def normal_inverse(self) -> Method:
        """How (A^T A + s I)^-1 b is solved."""
        raise NotImplementedError

    def data_step(self, r: Tensor, shift: float | Tensor) -> Tensor:
        """(A^T A + shift I)^-1 A^T r."""
        return shifted_inverse(self.A_adjoint(r), shift, self.normal_inverse())

    def whiten(self, r: Tensor, regularisation: float | int | Tensor) -> Tensor:
        """(A A^T + regularisation I)^-1 r, the preconditioner of a data step, in the shape of a measurement.

        regularisation: positive number or tensor of one element; the operator has norm 1.
        """
        shift = checked_positive(regularisation, "regularisation")
        return (r - self.A(self.data_step(r, shift))) / shift
