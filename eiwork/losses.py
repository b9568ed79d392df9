"""Training losses, thin over deepinv.loss: which terms a way of training consists of."""

import math
from typing import Any, Literal

import torch
from deepinv.loss import EILoss, Loss, MCLoss, SupLoss
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.models import DEQ

Method = Literal["ei", "mc", "supervised"]
Image = Float[Tensor, "batch channel height width"]


class WeightedLoss(nn.Module):
    """A weighted sum of deepinv losses, called as deepinv calls them.

    terms: name -> (weight, loss). The forward returns the total and the value of each weighted term.
    """

    def __init__(self, terms: dict[str, tuple[float, Loss]]) -> None:
        super().__init__()
        self.weights = {name: weight for name, (weight, _) in terms.items()}
        self.losses = nn.ModuleDict({name: loss for name, (_, loss) in terms.items()})

    def forward(
        self, x_net: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """x_net: reconstruction of y. x: ground truth, needed by the supervised term alone (else InputError)."""
        if "supervised" in self.losses and x is None:
            raise InputError(
                "The supervised loss needs the ground truth x; pass it, or train with method 'ei'."
            )
        values = {
            name: self.weights[name] * loss(x_net=x_net, x=x, y=y, physics=physics, model=model)
            for name, loss in self.losses.items()
        }
        return sum(values.values()), values

    def residual_rms(self, values: dict[str, float]) -> float:
        """Root mean square of the largest residual that the loss squares, from the values of its weighted terms."""
        return math.sqrt(max(values[name] / weight for name, weight in self.weights.items()))


class WarmStartedEILoss(EILoss):
    """deepinv's EI loss for a DEQ, its second solve started at T_g x, which is the equilibrium at the optimum.

    The value and the gradient are those of EILoss within the solver's tolerance: the start is detached, and a
    contraction forgets it. Raises InputError for a model that is not a DEQ.
    """

    def forward(
        self, x_net: Image, physics: LinearPhysics, model: nn.Module, **kwargs: Any
    ) -> Float[Tensor, ""]:
        """||f(A T_g x_net) - T_g x_net||^2, as EILoss with the same transform, metric and noise."""
        if not isinstance(model, DEQ):
            raise InputError(
                f"A warm start of the EI solve needs a DEQ; {type(model).__name__} solves for nothing. Leave out "
                "warm_start."
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.no_grad):
            target = self.T(x_net)
        y = physics(target) if self.noise else physics.A(target)
        with torch.no_grad():
            z0 = model.iterate.state_from(target.detach(), y, physics)
        return self.weight * self.metric(model(y, physics, z0=z0), target)


def build_loss(
    method: Method,
    transform: Transform | None = None,
    *,
    mc_weight: float = 1.0,
    ei_weight: float = 1.0,
    noisy: bool = False,
    warm_start: bool = False,
) -> WeightedLoss:
    """The loss of a way of training.

    "supervised": ||x_net - x||^2. "mc": measurement consistency ||A x_net - y||^2 alone, which cannot see the null
    space. "ei": mc plus equivariance ||f(A T_g x_net) - T_g x_net||^2 (Chen, Tachella & Davies, ICCV 2021),
    where `noisy` adds the physics' noise to the virtual measurement and `warm_start` begins a DEQ's second solve at
    T_g x_net. All are means over batch and pixels.
    Raises InputError where an argument does not apply to the method.
    """
    if method == "ei" and transform is None:
        raise InputError("method='ei' needs a transform (the group), for example eiwork.symmetry.Rotation().")
    if method != "ei" and (transform is not None or noisy or warm_start):
        raise InputError(f"method={method!r} uses no group: leave out `transform`, `noisy` and `warm_start`.")
    if method == "supervised":
        return WeightedLoss({"supervised": (1.0, SupLoss())})
    terms: dict[str, tuple[float, Loss]] = {"mc": (mc_weight, MCLoss())}
    if method == "ei":
        terms["ei"] = (ei_weight, (WarmStartedEILoss if warm_start else EILoss)(transform, apply_noise=noisy))
    elif method != "mc":
        raise InputError(f"method={method!r} is unknown: choose 'ei', 'mc' or 'supervised'.")
    return WeightedLoss(terms)
