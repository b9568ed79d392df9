"""A weighted sum of losses, and how a way of training calls its model."""

import math
from typing import cast

from deepinv.loss import Loss
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.state import State
from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]


class WeightedLoss(nn.Module):
    """A weighted sum of deepinv losses, called as deepinv calls them.

    terms: name -> (weight, loss). The forward returns the total and the value of each weighted term.
    """

    def __init__(self, terms: dict[str, tuple[float, Loss]]) -> None:
        super().__init__()
        self.weights = {name: weight for name, (weight, _) in terms.items()}
        self.losses = nn.ModuleDict({name: loss for name, (_, loss) in terms.items()})

    def reconstruct(self, model: nn.Module, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> Image:
        """The reconstruction of y that the loss is about: the model's own; z0 is a DEQ's warm start."""
        if z0 is not None and isinstance(model, DEQ):
            return cast(Tensor, model(y, physics, z0=z0))
        return cast(Tensor, model(y, physics))

    def equation(self, x_net: Image, y: Tensor, physics: LinearPhysics) -> tuple[Image, Tensor, LinearPhysics]:
        """(x, y, physics) with x = F(x, y; physics), of the model's solve in the last `reconstruct`."""
        return x_net.detach(), y, physics

    def forward(
        self, x_net: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """x_net: reconstruction of y. x: ground truth, needed by the supervised term alone (else InputError)."""
        if "supervised" in self.losses and x is None:
            raise InputError("The supervised loss needs the ground truth x; pass it, or train with method 'ei'.")
        values = {
            name: self.weights[name] * loss(x_net=x_net, x=x, y=y, physics=physics, model=model).mean()
            for name, loss in self.losses.items()
        }
        return sum(values.values()), values

    def residual_rms(self, values: dict[str, float]) -> float:
        """Root mean square of the largest residual that the loss squares, from the values of its weighted terms."""
        return math.sqrt(max(0.0, *(values[name] / weight for name, weight in self.weights.items())))
