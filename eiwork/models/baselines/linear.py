"""Linear reconstructions: what needs no learning."""

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]


class Adjoint(nn.Module):
    """A^T y: back-projection in tomography, the zero-filled inverse in single-coil MRI."""

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Apply the adjoint."""
        return physics.A_adjoint(y)


class MinimumNormInverse(nn.Module):
    """A^+ y: of all images that explain the measurement best, the one of smallest norm."""

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Apply the pseudo-inverse."""
        return physics.A_dagger(y)


class FilteredBackProjection(nn.Module):
    """Ramp-filtered back-projection; raises InputError for a physics that is not tomography."""

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Apply filtered back-projection."""
        if not hasattr(physics, "fbp"):
            raise InputError(f"{type(physics).__name__} has no filtered back-projection: use MinimumNormInverse.")
        return physics.fbp(y)
