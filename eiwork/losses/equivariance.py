"""Equivariant imaging: f(A T_g x) = T_g x for the images x that the model itself reconstructs."""

from typing import Any

import torch
from deepinv.loss import EILoss, Loss, MCLoss
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.losses.warm import solve_near
from eiwork.losses.whitened import whitened
from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]


class EquivarianceLoss(EILoss):
    """deepinv's EI loss with several independent group elements for every image, and a return to the measurement.

    transform: T_g, one element for each image of a batch. n_elements: elements per image and step, >= 1: the second
    call of the model sees a batch that many times as large. options: those of deepinv's EILoss (metric, weight,
    apply_noise as in robust EI, no_grad). With no_grad T_g x_net is a constant: the second call learns to reach it, and
    it is not drawn to what the second call reaches easily, which shrinks what A does not see (arXiv 2312.11232).
    cycle_weight: >= 0, of ||A T_g^-1 f(A T_g x_net) - y||^2, the second image turned back and measured. What EI
    compares with is partly the model's own guess, which shrinks what it does not know; this term compares with y alone,
    and the second call has to find there what A T_g does not see. With noise it fits y's noise as far as x_net carries
    it through T_g. consistency: loss(x_net=, y=, physics=) of that term; deepinv's MCLoss by default. The term is ours.
    null_gain: c >= 1. What y leaves open x_net fills with about its mean, so that it is calmer there than any object,
    and what is learnt from it calmer still. With c > 1 the virtual object is x_net + (c - 1) (x_net - R x_net) in place
    of x_net, the addition being a constant; R x is what a measurement tells of x, A^T (A A^T + whitening I)^-1 A x, or
    A^+ A x where `whitening` is None. Ours; with a cycle, which then keeps what is made up in bounds.
    Raises InputError for n_elements < 1, a negative weight, a consistency without weight, a null_gain below 1, or a
    whitening that nothing uses.
    """

    def __init__(
        self,
        transform: Transform,
        *,
        n_elements: int = 1,
        cycle_weight: float | int = 0.0,
        consistency: Loss | None = None,
        null_gain: float | int = 1.0,
        whitening: float | int | None = None,
        **options: Any,
    ) -> None:
        if n_elements < 1:
            raise InputError(f"EquivarianceLoss(n_elements={n_elements}): at least one element is needed.")
        if cycle_weight < 0 or (consistency is not None and cycle_weight == 0):
            raise InputError(
                f"EquivarianceLoss(cycle_weight={cycle_weight}): must be >= 0, and positive for a `consistency` to act."
            )
        if null_gain < 1 or (whitening is not None and null_gain == 1):
            raise InputError(
                f"EquivarianceLoss(null_gain={null_gain}): must be >= 1, and above 1 for a `whitening` to act."
            )
        super().__init__(transform, **options)
        self.n_elements, self.cycle_weight = n_elements, float(cycle_weight)
        self.null_gain, self.whitening = float(null_gain), whitening
        self.consistency = MCLoss() if consistency is None else consistency

    def forward(
        self, x_net: Image, physics: LinearPhysics, model: nn.Module, y: Tensor | None = None, **kwargs: Any
    ) -> Float[Tensor, ""]:
        """||f(A T_g x_net) - T_g x_net||^2, the mean over elements, batch and pixels, plus the weighted return to y."""
        if self.null_gain > 1:
            x_net = x_net + (self.null_gain - 1) * unseen(x_net.detach(), physics, self.whitening)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.no_grad):
            repeated = x_net.repeat(self.n_elements, 1, 1, 1) if self.n_elements > 1 else x_net
            # Only the way back needs the parameters, and not every transform tells them.
            params = self.T.get_params(repeated) if self.cycle_weight else {}
            target = self.T.transform(repeated, **params) if self.cycle_weight else self.T(repeated)
        virtual = physics(target) if self.noise else physics.A(target)
        again = self._solve(model, virtual, physics, target.detach())
        loss = self.weight * self.metric(again, target)
        if not self.cycle_weight:
            return loss
        if y is None:
            raise InputError("The return to the measurement needs y: pass it, or set cycle_weight=0.")
        back = self.T.inverse(again, **params)
        measured = y.repeat(self.n_elements, *(1,) * (y.ndim - 1))
        return loss + self.cycle_weight * self.consistency(x_net=back, y=measured, physics=physics).mean()

    def _solve(self, model: nn.Module, y: Tensor, physics: LinearPhysics, near: Image) -> Image:
        return model(y, physics)


def unseen(x: Image, physics: LinearPhysics, whitening: float | int | None = None) -> Image:
    """x - R x, what a measurement does not tell of x: R = A^+ A, or A^T (A A^T + whitening I)^-1 A for a number.

    Raises InputError for a number and a physics without `whiten`.
    """
    y = physics.A(x)
    return x - (physics.A_dagger(y) if whitening is None else physics.A_adjoint(whitened(y, physics, whitening)))


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
