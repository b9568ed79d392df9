"""Equivariant imaging: f(A T_g x) = T_g x for the images x that the model itself reconstructs."""

from typing import Any

import torch
from deepinv.loss import EILoss
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.losses.warm import solve_near
from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]


class EquivarianceLoss(EILoss):
    """deepinv's EI loss with several independent group elements for every image.

    transform: T_g, one element for each image of a batch. n_elements: elements per image and step, >= 1: the second
    call of the model sees a batch that many times as large. options: those of deepinv's EILoss (metric, weight,
    no_grad, apply_noise as in robust EI). Raises InputError for n_elements < 1.
    """

    def __init__(self, transform: Transform, *, n_elements: int = 1, **options: Any) -> None:
        if n_elements < 1:
            raise InputError(f"EquivarianceLoss(n_elements={n_elements}): at least one element is needed.")
        super().__init__(transform, **options)
        self.n_elements = n_elements

    def forward(
        self, x_net: Image, physics: LinearPhysics, model: nn.Module, **kwargs: Any
    ) -> Float[Tensor, ""]:
        """||f(A T_g x_net) - T_g x_net||^2, the mean over elements, batch and pixels."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.no_grad):
            target = self.T(x_net.repeat(self.n_elements, 1, 1, 1) if self.n_elements > 1 else x_net)
        y = physics(target) if self.noise else physics.A(target)
        return self.weight * self.metric(self._solve(model, y, physics, target.detach()), target)

    def _solve(self, model: nn.Module, y: Tensor, physics: LinearPhysics, near: Image) -> Image:
        return model(y, physics)


class WarmStartedEILoss(EquivarianceLoss):
    """The EI loss for a DEQ, its second solve started at T_g x, which is the equilibrium at the optimum.

    The value and the gradient are those of EquivarianceLoss within the solver's tolerance: the start is detached, and a
    contraction forgets it. Raises InputError for a model that is not a DEQ.
    """

    def _solve(self, model: nn.Module, y: Tensor, physics: LinearPhysics, near: Image) -> Image:
        if not isinstance(model, DEQ):
            raise InputError(
                f"A warm start of the EI solve needs a DEQ; {type(model).__name__} solves for nothing. Leave out "
                "warm_start."
            )
        return solve_near(model, y, physics, near)
