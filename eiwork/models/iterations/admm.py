"""The alternating direction method of multipliers."""

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.models.data_steps import ProximalStep

Image = Float[Tensor, "batch channel height width"]


class ADMM(nn.Module):
    """F on pairs (v, u), image and scaled dual: x = prox(v - u), v' = D(x + u), u' = u + x - v'.

    prox(w) = argmin over x of ||A x - y||^2 / 2 + rho / 2 ||x - w||^2, exactly. The fixed point satisfies x = v,
    v = D(v + u) and A^T (A v - y) + rho u = 0, so v = D(v - A^T (A v - y) / rho): the equation of ProximalGradient
    with step size 1 / rho, reached by other means: no step size limits rho. If D is firmly nonexpansive, such as a
    proximal map, F does not expand ||v||^2 + ||u||^2 and converges; if D is linear, symmetric and
    below the identity, too, the spectral radius of F is below 1.

    denoiser: D, any module image -> image of the same shape. penalty: initial rho > 0, learnt through its logarithm,
    relative to ||A||^2. Raises InputError for another penalty.
    Source: Boyd et al., Found. Trends Mach. Learn. 3 (2011), section 3.1.1; with a denoiser, Venkatakrishnan,
    Bouman & Wohlberg, GlobalSIP 2013; convergence, Eckstein & Bertsekas, Math. Program. 55 (1992).
    """

    def __init__(self, denoiser: nn.Module, penalty: float | int = 0.1) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.data_step = ProximalStep(penalty)

    @property
    def penalty(self) -> Float[Tensor, ""]:
        """rho > 0."""
        return self.data_step.penalty

    def forward(self, z: tuple[Image, Image], y: Tensor, physics: LinearPhysics) -> tuple[Image, Image]:
        """One application of F."""
        v, u = z
        # x + u is what the denoiser sees and, less its output, the next dual.
        seen = self.data_step(v - u, y, physics) + u
        v = self.denoiser(seen)
        return v, seen - v

    def start(self, y: Tensor, physics: LinearPhysics) -> tuple[Image, Image]:
        """The Tikhonov solution and no dual."""
        x = self.data_step.start(y, physics)
        return x, torch.zeros_like(x)

    def image(self, z: tuple[Image, Image]) -> Image:
        """v, after the denoiser; x equals it at the fixed point."""
        return z[0]

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> tuple[Image, Image]:
        """x with the dual -A^T (A x - y) / rho that makes it the data step's answer."""
        return x, physics.A_adjoint(y - physics.A(x)) / self.penalty
