"""Training by equivariant splitting."""

from typing import Any

from deepinv.loss import EquivariantSplittingLoss
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.state import State
from eiwork.losses.splitting.reconstructor import EquivariantReconstructor, Splittable, quiet_composition
from eiwork.losses.weighted import WeightedLoss

Image = Float[Tensor, "batch channel height width"]


class SplitTraining(WeightedLoss):
    """deepinv's EquivariantSplittingLoss around a model of ours: each `reconstruct` draws a splitting and a T_g.

    loss: without a transform of its own. transform: the group of the Reynolds average, one random element for each
    image and step; None for none. Raises InputError for a loss with a transform, or a warm start.
    """

    def __init__(self, loss: EquivariantSplittingLoss, transform: Transform | None = None) -> None:
        super().__init__({"splitting": (1.0, loss)})
        if loss.transform is not None:
            raise InputError(
                "The group belongs to SplitTraining, not to the loss inside it: pass transform=None there."
            )
        self.transform = transform
        self._splitting = loss
        # A tuple, so that the model's parameters do not become the loss's.
        self._adapted: tuple[Any, ...] = ()

    def _adapt(self, model: nn.Module) -> tuple[nn.Module, EquivariantReconstructor]:
        if not self._adapted or self._adapted[0] is not model:
            reconstructor = EquivariantReconstructor(model, self.transform)
            self._adapted = (model, self._splitting.adapt_model(reconstructor), reconstructor)
        return self._adapted[1], self._adapted[2]

    def reconstruct(self, model: nn.Module, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> Image:
        """T_g f(y_1, A_1 T_g) for a random splitting and a random element."""
        if z0 is not None:
            raise InputError("Equivariant splitting solves another equation in every step: leave out the warm start.")
        adapted, _ = self._adapt(model)
        with quiet_composition():
            return adapted(y, Splittable(physics), update_parameters=True)

    def equation(self, x_net: Image, y: Tensor, physics: LinearPhysics) -> tuple[Image, Tensor, LinearPhysics]:
        """T_g^-1 x_net with y_1 and A_1 T_g, of the last `reconstruct`."""
        last = self._adapted[2].last if self._adapted else None
        return super().equation(x_net, y, physics) if last is None else last

    def forward(
        self, x_net: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """x_net: from `reconstruct` with the same model."""
        adapted, _ = self._adapt(model)
        with quiet_composition():
            return super().forward(x_net, y, Splittable(physics), adapted)
