"""Linear reconstructions of multi-coil MRI: gridding, and SENSE by conjugate gradients."""

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]


class Gridding(nn.Module):
    """Density-compensated adjoint; raises InputError for a physics that is not radial MRI."""

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Apply gridding."""
        if not hasattr(physics, "gridding"):
            raise InputError(f"{type(physics).__name__} has no gridding: use Adjoint or MinimumNormInverse.")
        return physics.gridding(y)


class ConjugateGradientSENSE(nn.Module):
    """argmin_x ||A x - y||^2 + weight ||x||^2, by conjugate gradients in MRI: Tikhonov-regularised SENSE.

    weight: > 0, relative to ||A||^2 = 1; larger is smoother and less noisy. Raises InputError.
    Source: Pruessmann et al. (2001).
    """

    def __init__(self, weight: float | int = 1e-3) -> None:
        super().__init__()
        if not weight > 0:
            raise InputError(f"ConjugateGradientSENSE(weight={weight}): must be positive; try 1e-3.")
        self.weight = float(weight)

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Reconstruct; `ConvergenceWarning` where conjugate gradients miss their tolerance."""
        return physics.prox_l2(None, y, 1 / self.weight)
