"""Half-quadratic splitting."""

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.models.data_steps import ProximalStep

Image = Float[Tensor, "batch channel height width"]


class HalfQuadraticSplitting(nn.Module):
    """F(x, y) = argmin over x' of ||A x' - y||^2 / 2 + rho / 2 ||x' - D(x)||^2: denoise, then an exact data step.

    The fixed point satisfies A^T (A x - y) + rho (x - D(x)) = 0: that of GradientDescent (RED) with weight rho, not
    that of ProximalGradient. If D is the proximal map of R / rho, x minimises ||A x - y||^2 / 2 plus the Moreau
    envelope min over v of R(v) + rho / 2 ||x - v||^2.

    denoiser: D, any module image -> image of the same shape. penalty: initial rho > 0, learnt through its logarithm,
    relative to ||A||^2. Raises InputError for another penalty.
    Source: Geman & Yang, IEEE Trans. Image Process. 4 (1995); with a learned denoiser, Zhang et al. (DPIR),
    arXiv 2008.13751.
    """

    def __init__(self, denoiser: nn.Module, penalty: float | int = 0.1) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.data_step = ProximalStep(penalty)

    @property
    def penalty(self) -> Float[Tensor, ""]:
        """rho > 0."""
        return self.data_step.penalty

    def forward(self, z: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One application of F."""
        return self.data_step(self.denoiser(z), y, physics)

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The Tikhonov solution."""
        return self.data_step.start(y, physics)

    def image(self, z: Image) -> Image:
        """The state is the image, after the data step."""
        return z

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """The image is the state."""
        return x
