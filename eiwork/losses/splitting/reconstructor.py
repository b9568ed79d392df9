"""Reconstruction from a part of the measurements, averaged over the group."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from deepinv.loss import SplittingLoss
from deepinv.physics import Inpainting, LinearPhysics
from deepinv.physics.forward import ComposedLinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.losses.splitting.physics import SplitPhysics

Image = Float[Tensor, "batch channel height width"]


class EquivariantReconstructor(nn.Module):
    """R(y, A) = mean over random g of T_g f(y, A T_g), for f that needs more of an operator than A and its adjoint.

    The Reynolds average of equivariant splitting (ICLR 2026, openreview upMIVpe467). deepinv's class of this name hands
    f a virtual operator without the data steps of a DEQ and takes T_g^-1 for the adjoint; this one hands it a
    `SplitPhysics`, and gives every image its own group element.

    model: f. transform: the group; None leaves T_g out. n_elements: random elements averaged, >= 1.
    """

    def __init__(self, model: nn.Module, transform: Transform | None = None, n_elements: int = 1) -> None:
        super().__init__()
        if n_elements < 1:
            raise InputError(f"n_elements={n_elements}: at least one group element is needed.")
        self.model, self.transform, self.n_elements = model, transform, n_elements
        # Not a submodule: what the last call solved, for those who look at its Jacobian.
        self.last: tuple[Image, Tensor, LinearPhysics] | None = None

    def forward(self, y: Tensor, physics: LinearPhysics, **kwargs: Any) -> Image:
        """Reconstruct y = M A x, where physics is A or deepinv's composition of a mask with it."""
        base, mask = whole_and_mask(physics, y)
        total: Tensor | None = None
        for _ in range(self.n_elements):
            image = self._element(y, base, mask)
            total = image if total is None else total + image
        assert total is not None
        return total / self.n_elements

    def _element(self, y: Tensor, base: LinearPhysics, mask: Tensor) -> Image:
        if self.transform is None:
            split = SplitPhysics(base, mask)
            turned = image = self.model(y, split)
        else:
            params = self.transform.get_params(base.A_adjoint(y))
            split = SplitPhysics(base, mask, self.transform, params)
            turned = self.model(y, split)
            image = self.transform.transform(turned, **params)
        self.last = (turned.detach(), y.detach(), split)
        return image


def whole_and_mask(physics: LinearPhysics, y: Tensor) -> tuple[LinearPhysics, Tensor]:
    """A and M of deepinv's composition M A; all ones for an operator that was not split."""
    if not isinstance(physics, ComposedLinearPhysics):
        return physics, torch.ones_like(y[:1])
    parts = list(physics.physics_list)
    if len(parts) != 2 or not isinstance(parts[0], Splittable) or not isinstance(parts[1], Inpainting):
        raise InputError(
            "Equivariant splitting takes Splittable(operator) and one splitting mask; this physics is composed of "
            f"{', '.join(type(part).__name__ for part in parts)}."
        )
    return parts[0].base, parts[1].mask


class Splittable(LinearPhysics):
    """An operator as deepinv's splitting losses can compose it with a mask, whatever its class.

    deepinv merges masks with those of its own MRI and inpainting by calling their constructors, which operators
    derived from them need not share. base: the operator; its `mask`, where it has one, is split.
    """

    def __init__(self, base: LinearPhysics) -> None:
        super().__init__(noise_model=base.noise_model)
        self.base = base
        mask = getattr(base, "mask", None)
        if mask is not None:
            self.register_buffer("mask", mask, persistent=False)

    def A(self, x: Image, **kwargs: object) -> Tensor:
        """A x."""
        return self.base.A(x)

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Image:
        """A^T y."""
        return self.base.A_adjoint(y)


def averaged_reconstructor(
    model: nn.Module,
    masks: Any | None = None,
    transform: Transform | None = None,
    *,
    n_splittings: int = 0,
    n_elements: int = 0,
) -> nn.Module:
    """What is evaluated after training by splitting: the model on all measurements, or averages of it.

    n_splittings: 0 uses all measurements at once; else the mean over that many random splittings of `masks`.
    n_elements: 0 leaves T_g out; else the mean over that many random elements of `transform`.
    """
    reconstructor = model
    if n_elements:
        reconstructor = EquivariantReconstructor(model, transform, n_elements)
    elif n_splittings:
        reconstructor = EquivariantReconstructor(model)
    if not n_splittings:
        return reconstructor
    return _Averaged(SplittingLoss(mask_generator=masks, eval_n_samples=n_splittings).adapt_model(reconstructor))


class _Averaged(nn.Module):
    """deepinv's splitting model in evaluation mode, without its warning that the composition has no closed form."""

    def __init__(self, splitting_model: nn.Module) -> None:
        super().__init__()
        self.splitting_model = splitting_model.eval()

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        with quiet_composition():
            return self.splitting_model(y, Splittable(physics))


@contextmanager
def quiet_composition() -> Iterator[None]:
    """Without deepinv's warning about composing with a mask: the composition is taken apart again."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="At least one input physics is a DecomposablePhysics")
        yield
