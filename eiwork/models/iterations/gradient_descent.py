"""Gradient descent on the data term and regularisation by denoising."""

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.models.learnt import log_parameter

Image = Float[Tensor, "batch channel height width"]


class GradientDescent(nn.Module):
    """F(x, y) = x - gamma (A^T (A x - y) + w (x - D(x))): regularisation by denoising (RED), learnt gamma and w.

    The fixed point satisfies A^T (A x - y) + w (x - D(x)) = 0: that of HalfQuadraticSplitting with penalty w, whatever
    gamma. If D has a symmetric Jacobian and is homogeneous, x is stationary for ||A x - y||^2 / 2 + w / 2 x^T (x -
    D(x)); for other D it is an equilibrium and nothing is minimised (Reehorst & Schniter, arXiv 1806.02296).

    denoiser: D, any module image -> image of the same shape. step_size: initial gamma > 0; below 2 / (||A||^2 + w L)
    the step does not expand, L the Lipschitz constant of x - D(x), if its Jacobian is symmetric and positive. weight:
    initial w > 0. Raises InputError for other values.
    Source: Romano, Elad & Milanfar, SIAM J. Imaging Sci. 10 (2017), arXiv 1611.02862.
    """

    def __init__(self, denoiser: nn.Module, step_size: float | int = 0.5, weight: float | int = 1.0) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.log_step = log_parameter(step_size, "step_size", "0.5 suits a physics of unit norm and weight 1")
        self.log_weight = log_parameter(weight, "weight", "1.0 balances data and denoiser")

    @property
    def step_size(self) -> Float[Tensor, ""]:
        """gamma > 0."""
        return self.log_step.exp()

    @property
    def weight(self) -> Float[Tensor, ""]:
        """w > 0."""
        return self.log_weight.exp()

    def forward(self, z: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One application of F."""
        data = physics.A_adjoint(physics.A(z) - y)
        return z - self.step_size * (data + self.weight * (z - self.denoiser(z)))

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The adjoint A^T y."""
        return physics.A_adjoint(y)

    def image(self, z: Image) -> Image:
        """The state is the image."""
        return z

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """The image is the state."""
        return x
