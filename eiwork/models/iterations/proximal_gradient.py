"""Proximal gradient descent."""

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.models.data_steps import DataStep, GradientStep

Image = Float[Tensor, "batch channel height width"]


class ProximalGradient(nn.Module):
    """F(x, y) = D(step(x, y)): proximal gradient descent with a learned operator in place of the proximal map.

    With GradientStep of size gamma the fixed point satisfies x = D(x - gamma A^T (A x - y)), the equation of ADMM
    with penalty 1 / gamma, too; if D is the proximal map of gamma R, x minimises ||A x - y||^2 / 2 + R(x).

    denoiser: D, any module image -> image of the same shape. data_step: GradientStep() by default, WhitenedStep() for
    badly conditioned physics; ProximalStep() gives half-quadratic splitting, read after the denoiser.
    Source: plug-and-play priors, Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013; as a DEQ, arXiv 2102.07944.
    """

    def __init__(self, denoiser: nn.Module, data_step: DataStep | None = None) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.data_step = GradientStep() if data_step is None else data_step

    def forward(self, z: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One application of F."""
        return self.denoiser(self.data_step(z, y, physics))

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The data step's first image."""
        return self.data_step.start(y, physics)

    def image(self, z: Image) -> Image:
        """The state is the image."""
        return z

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """The image is the state."""
        return x
