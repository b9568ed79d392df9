"""Training under noise of known size by recorruption: what goes in and what is compared have independent noise."""

import torch
from deepinv.loss import Loss
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.state import State
from eiwork.losses.weighted import WeightedLoss

Image = Float[Tensor, "batch channel height width"]


class RecorruptedTraining(WeightedLoss):
    """The losses of y + alpha w and y - w / alpha in place of y, where w is fresh noise of the scan's own law.

    The model reconstructs from y + alpha w, and every comparison with the measurement is with y - w / alpha. For
    Gaussian noise the two have independent noise, so ||A f(y + alpha w) - (y - w / alpha)||^2 is, up to a constant,
    an unbiased estimate of the error to the clean measurement at a noise sqrt(1 + alpha^2) times as large: nothing can
    be gained by fitting noise, nor by carrying it through a second call of the model (as the return to the measurement
    of `EquivarianceLoss` would). Unlike SURE it needs no further solve.

    terms: as `WeightedLoss`. alpha: > 0; a small one changes the input less and makes the comparison noisier. Raises
    InputError for another alpha and for a scan without noise.
    Source: Pang et al., CVPR 2021 (recorrupted-to-recorrupted); with equivariance and a return, ours.
    """

    def __init__(self, terms: dict[str, tuple[float, Loss]], *, alpha: float | int = 0.5) -> None:
        super().__init__(terms)
        if not alpha > 0:
            raise InputError(f"RecorruptedTraining(alpha={alpha}): must be positive; 0.5 is a good start.")
        self.alpha = float(alpha)
        self._pair: tuple[Tensor, Tensor] | None = None

    def reconstruct(self, model: nn.Module, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> Image:
        """f(y + alpha w), with w of torch's default generator."""
        noise = physics.noise(torch.zeros_like(y))
        if not bool(noise.any()):
            raise InputError(
                "Recorruption needs the scan's noise, and this physics adds none: use method 'ei', which is exact then."
            )
        self._pair = (y + self.alpha * noise, y - noise / self.alpha)
        return super().reconstruct(model, self._pair[0], physics, z0)

    def equation(self, x_net: Image, y: Tensor, physics: LinearPhysics) -> tuple[Image, Tensor, LinearPhysics]:
        """x_net with y + alpha w, of the last `reconstruct`."""
        return super().equation(x_net, self._last()[0], physics)

    def forward(
        self, x_net: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """x_net: from the last `reconstruct`, whose y - w / alpha it is compared with."""
        return super().forward(x_net, self._last()[1], physics, model, x)

    def _last(self) -> tuple[Tensor, Tensor]:
        if self._pair is None:
            raise InputError("RecorruptedTraining compares what it has reconstructed: call `reconstruct` first.")
        return self._pair
