"""The proximal map of the data term, argmin over x of gamma / 2 ||A x - y||^2 + 1 / 2 ||x - z||^2, exactly."""

from typing import Any

import torch
from deepinv.physics import DecomposablePhysics, LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_tensor, checked_positive
from eiwork.physics.linear import Method, shifted_inverse
from eiwork.physics.masks import checked_coil_maps, checked_mask


class ExactProx(LinearPhysics):
    """deepinv's data step of HQS and ADMM by an operator's own `data_step`, differentiable in everything."""

    def data_step(self, r: Tensor, shift: float | Tensor) -> Tensor:
        """A^T (A A^T + shift I)^-1 r for a checked shift."""
        raise NotImplementedError

    def prox_l2(
        self, z: Tensor | float | int | None, y: Tensor, gamma: float | int | Tensor, **kwargs: object
    ) -> Float[Tensor, "batch channel height width"]:
        """z + A^T (A A^T + I / gamma)^-1 (y - A z).

        z: images, or a number for a constant image; None is 0. gamma: positive number or tensor of one element, not
        looked at: NaN comes of one that is not positive; several elements are left to deepinv, with `kwargs`. kwargs:
        new parameters (a mask), too. `InputError` for unusable z, y or gamma.
        """
        self.update_parameters(**kwargs)
        if isinstance(gamma, Tensor) and gamma.numel() != 1:
            return super().prox_l2(z, y, gamma, **kwargs)
        shift = 1 / checked_positive(gamma, "gamma")
        if z is None or isinstance(z, int | float):
            z = torch.full_like(self.A_adjoint(y), float(z or 0.0))
        return (z + self.data_step(y - self.A(z), shift)).to(z.dtype)


class MaskedProducts(ExactProx):
    """Products of an operator with a `mask`, maybe `coil_maps`, (1, ...) for all samples or (batch, ...) for each.

    They follow the dtype of their input. A new mask and new maps, by keyword or `update`, stay: see `masks`.
    """

    # Plain tensors in, checked by hand: see eiwork.physics.tomography.
    def A(self, x: Tensor, **kwargs: Any) -> Float[Tensor, "batch channel *measurement"]:
        """Transform x and zero what is not measured; `InputError` for unusable x."""
        out = super().A(self.prepare(x, "x", kwargs), **kwargs).to(x.dtype)
        return out if len(x) else out[:0]

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Float[Tensor, "batch channel height width"]:
        """Inverse transform of the masked y, coils combined; `InputError` for unusable y."""
        out = super().A_adjoint(self.prepare(y, "y", kwargs), **kwargs).to(y.dtype)
        return out if len(y) else out[:0]

    def noise(self, x: Tensor, **kwargs: Any) -> Tensor:
        """The measurement x with noise of the full level, whatever the weight, where it is measured."""
        measured = self.mask != 0
        return (self.noise_model(x, **kwargs) * (measured if x.ndim == 4 else measured[:, :, None])).to(x.dtype)

    def update_parameters(self, mask: Any = None, coil_maps: Any = None, **kwargs: Any) -> None:
        """A checked mask and checked maps, of any array, in place of these."""
        size = tuple(self.img_size[-2:])
        mask = None if mask is None else checked_mask(mask, size, self.img_size[0])
        coil_maps = None if coil_maps is None else checked_coil_maps(coil_maps, size)
        super().update_parameters(mask=mask, coil_maps=coil_maps, **kwargs)

    def prepare(self, value: Tensor, name: str, kwargs: dict[str, Any]) -> Tensor:
        """The checked value, or a sample of zeros if it has none, as FFTs need; takes parameters out of `kwargs`."""
        self.update_parameters(kwargs.pop("mask", None), kwargs.pop("coil_maps", None), **kwargs)
        maps: Any = getattr(self, "coil_maps", self.mask)
        shape = (2, *maps.shape[1:]) if maps is not self.mask and name == "y" else tuple(self.img_size)
        check_tensor(value, name, (None, *shape), f"(batch, {', '.join(map(str, shape))})")
        for own in (self.mask, maps):
            if value.device != own.device or len(own) not in (1, len(value)):
                raise InputError(
                    f"{name} holds {len(value)} samples on {value.device}, the operator's mask or maps are for "
                    f"{len(own)} on {own.device}: pass those of this batch to physics.update, or call physics.to."
                )
        return value if len(value) else torch.cat([value, value.new_zeros(1, *value.shape[1:])])


class MaskedProx(MaskedProducts, DecomposablePhysics):
    """An operator that is a mask after an orthonormal transform, so that A A^T = mask^2; measurements are like images.

    Its `A_dagger` is the minimum-norm inverse exactly: measured values as they are, the others zero.
    """

    def data_step(self, r: Tensor, shift: float | Tensor) -> Tensor:
        """In closed form."""
        return self.A_adjoint(r / (self.mask.to(r).square() + shift))

    def A_dagger(self, y: Tensor, **kwargs: Any) -> Float[Tensor, "batch c h w"]:
        """Minimum-norm inverse of y; `InputError` for unusable y."""
        out = super().A_dagger(self.prepare(y, "y", kwargs), **kwargs).to(y.dtype)
        return out if len(y) else out[:0]


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
