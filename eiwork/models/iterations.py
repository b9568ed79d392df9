"""Iterations F(z, y) whose fixed points are reconstructions."""

from typing import Any, Protocol, runtime_checkable

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.fixed_point.state import State
from eiwork.models.data_steps import DataStep, GradientStep, ProximalStep, log_parameter

Image = Float[Tensor, "batch channel height width"]


@runtime_checkable
class Iteration(Protocol):
    """F with its start and its reading. A state is a tensor or a tuple of tensors, the batch first."""

    def __call__(self, z: State, y: Tensor, physics: LinearPhysics) -> State:
        """One application of F."""

    def start(self, y: Tensor, physics: LinearPhysics) -> State:
        """z0 from the measurement."""

    def image(self, z: State) -> Image:
        """The image that a state stands for."""

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> State:
        """A state whose image is x, and the fixed point itself where x is its image: a warm start from an image."""


class _OfImages(nn.Module):
    """An iteration whose state is the image."""

    data_step: Any

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The data step's first image."""
        return self.data_step.start(y, physics)

    def image(self, z: Image) -> Image:
        """The state is the image."""
        return z

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """The image is the state."""
        return x


class _Splitting(nn.Module):
    """A denoiser and an exact data step with a learnt penalty."""

    def __init__(self, denoiser: nn.Module, penalty: float | int = 0.1) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.data_step = ProximalStep(penalty)

    @property
    def penalty(self) -> Float[Tensor, ""]:
        """rho > 0."""
        return self.data_step.penalty


class ProximalGradient(_OfImages):
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


class GradientDescent(_OfImages):
    """F(x, y) = x - gamma (A^T (A x - y) + w (x - D(x))): regularisation by denoising (RED), learnt gamma and w.

    The fixed point satisfies A^T (A x - y) + w (x - D(x)) = 0: that of HalfQuadraticSplitting with penalty w, whatever
    gamma. If D has a symmetric Jacobian and is homogeneous, x is stationary for ||A x - y||^2 / 2 + w / 2 x^T (x -
    D(x)); for other D it is an equilibrium and nothing is minimised (Reehorst & Schniter, arXiv 1806.02296).

    denoiser: D, any module image -> image of the same shape. step_size: initial gamma > 0; below 2 / (||A||^2 + w L)
    the step does not expand, L the Lipschitz constant of x - D(x), if its Jacobian is symmetric and positive. weight:
    initial w > 0. Raises InputError for other values. Source: Romano, Elad & Milanfar, arXiv 1611.02862.
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


class HalfQuadraticSplitting(_Splitting, _OfImages):
    """F(x, y) = argmin over x' of ||A x' - y||^2 / 2 + rho / 2 ||x' - D(x)||^2: denoise, then an exact data step.

    The fixed point is that of GradientDescent (RED) with weight rho, not that of ProximalGradient. If D is the proximal
    map of R / rho, x minimises ||A x - y||^2 / 2 plus the Moreau envelope min over v of R(v) + rho / 2 ||x - v||^2.

    denoiser, penalty: as in ADMM. Source: Geman & Yang, IEEE Trans. Image Process. 4 (1995); DPIR, arXiv 2008.13751.
    """

    def forward(self, z: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One application of F."""
        return self.data_step(self.denoiser(z), y, physics)


class ADMM(_Splitting):
    """F on pairs (v, u), image and scaled dual: x = prox(v - u), v' = D(x + u), u' = u + x - v'.

    prox(w) = argmin over x of ||A x - y||^2 / 2 + rho / 2 ||x - w||^2, exactly. The fixed point satisfies x = v,
    v = D(v + u) and A^T (A v - y) + rho u = 0, so v = D(v - A^T (A v - y) / rho): the equation of ProximalGradient with
    step size 1 / rho, whatever rho. If D is firmly nonexpansive, such as a proximal map, F does not expand ||v||^2 +
    ||u||^2 and converges; if D is also linear, symmetric and below the identity, the spectral radius of F is below 1.

    denoiser: D, any module image -> image of the same shape. penalty: initial rho > 0, learnt, relative to ||A||^2;
    InputError for others. Source: Boyd et al., Found. Trends Mach. Learn. 3 (2011), section 3.1.1; with a denoiser,
    Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013; convergence, Eckstein & Bertsekas, Math. Program. 55 (1992).
    """

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
