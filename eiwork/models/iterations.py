"""Iterations F(z, y) whose fixed points are reconstructions, and the steps towards the measurements in them."""

from typing import Any, Protocol, runtime_checkable

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.record import require
from eiwork.fixed_point.state import State
from eiwork.models.denoisers import log_parameter, of_images

Image = Float[Tensor, "batch channel height width"]


@runtime_checkable
class DataStep(Protocol):
    """x -> a point closer to {x : A x = y}, and a start for the iteration."""

    def __call__(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One step."""

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """A first image from the measurement alone."""


class _LearntStep(nn.Module):
    """A positive step size along a gradient, learnt through its logarithm."""

    def __init__(self, step_size: float | int = 1.0) -> None:
        super().__init__()
        self.log_step = log_parameter(self, "0.5 to 1 suits a physics of unit norm", step_size=step_size)

    @property
    def step_size(self) -> Float[Tensor, ""]:
        """The current gamma > 0."""
        return self.log_step.exp()

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The adjoint A^T y."""
        return physics.A_adjoint(y)

    def forward(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One step along the start of the residual."""
        return x - self.step_size * self.start(physics.A(x) - y, physics)


class GradientStep(_LearntStep):
    """x - gamma A^T (A x - y), learnt gamma. step_size: its start; below 2 / ||A||^2 the step does not expand."""


class WhitenedStep(_LearntStep):
    """x - gamma A^T (A A^T + r I)^{-1} (A x - y): a gradient step in the norm that whitens the measurement.

    Every singular value s of A is treated as s / sqrt(s^2 + r), so that few-view tomography converges fast. step_size:
    initial gamma. regularisation: r > 0, relative to ||A||^2 = 1; smaller is faster and noisier. Raises InputError for
    other values, or a physics without `whiten` (tomography has it).
    """

    def __init__(self, step_size: float | int = 1.0, regularisation: float | int = 0.01) -> None:
        super().__init__(step_size)
        require(self, regularisation > 0, "must be positive; try 0.01.", regularisation=regularisation)
        self.regularisation = regularisation

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The Tikhonov solution A^T (A A^T + r I)^{-1} y."""
        if not hasattr(physics, "whiten"):
            raise InputError(
                f"WhitenedStep needs a physics with `whiten`, which {type(physics).__name__} lacks: "
                "use GradientStep or ProximalStep for MRI and inpainting, whose singular values are already 0 or 1."
            )
        return physics.A_adjoint(physics.whiten(y, self.regularisation))


class ProximalStep(nn.Module):
    """argmin over x' of ||A x' - y||^2 / 2 + rho / 2 ||x' - x||^2: the proximal map of the data term, learnt rho.

    x' = x + A^T (A A^T + rho I)^-1 (y - A x), by the physics' `prox_l2`. penalty: initial rho > 0 (else InputError),
    relative to ||A||^2; smaller stays closer to the measurements.
    """

    def __init__(self, penalty: float | int = 0.1) -> None:
        super().__init__()
        advice = "0.1 is a good start for MRI and inpainting, 0.01 for few-view tomography"
        self.log_penalty = log_parameter(self, advice, penalty=penalty)

    @property
    def penalty(self) -> Float[Tensor, ""]:
        """rho > 0."""
        return self.log_penalty.exp()

    def forward(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """The proximal map at x."""
        return physics.prox_l2(x, y, 1 / self.penalty)

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        """The Tikhonov solution A^T (A A^T + rho I)^-1 y."""
        return physics.prox_l2(None, y, 1 / self.penalty)


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
    """An iteration whose state is the image, the first one that of its data step."""

    data_step: Any

    def start(self, y: Tensor, physics: LinearPhysics) -> Image:
        return self.data_step.start(y, physics)

    def image(self, z: Image) -> Image:
        return z

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> Image:
        return x


class _Splitting(nn.Module):
    """A denoiser and an exact data step with a learnt penalty."""

    def __init__(self, denoiser: nn.Module, penalty: float | int = 0.1) -> None:
        super().__init__()
        self.denoiser = of_images(denoiser)
        self.data_step = ProximalStep(penalty)

    @property
    def penalty(self) -> Float[Tensor, ""]:
        return self.data_step.penalty


class ProximalGradient(_OfImages):
    """F(x, y) = D(step(x, y)): proximal gradient descent with a learned operator in place of the proximal map.

    With GradientStep of size gamma, x = D(x - gamma A^T (A x - y)) at the fixed point, as in ADMM with penalty
    1 / gamma; if D is the proximal map of gamma R, x minimises ||A x - y||^2 / 2 + R(x).

    denoiser: D, any module image -> image of the same shape. data_step: GradientStep() by default, WhitenedStep() for
    badly conditioned physics. Source: plug-and-play priors, Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013; as a
    DEQ, arXiv 2102.07944.
    """

    def __init__(self, denoiser: nn.Module, data_step: DataStep | None = None) -> None:
        super().__init__()
        self.denoiser = of_images(denoiser)
        self.data_step = GradientStep() if data_step is None else data_step

    def forward(self, z: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One application of F."""
        return self.denoiser(self.data_step(z, y, physics))


class GradientDescent(_LearntStep, _OfImages):
    """F(x, y) = x - gamma (A^T (A x - y) + w (x - D(x))): regularisation by denoising (RED), learnt gamma and w.

    The fixed point, A^T (A x - y) + w (x - D(x)) = 0, is that of HalfQuadraticSplitting with penalty w. For homogeneous
    D with a symmetric Jacobian x is stationary for ||A x - y||^2 / 2 + w / 2 x^T (x - D(x)); for other D nothing is
    minimised (Reehorst & Schniter, arXiv 1806.02296).

    denoiser: D, as in ProximalGradient. step_size: initial gamma > 0; below 2 / (||A||^2 + w L) the step does not
    expand if x - D(x) has a symmetric positive Jacobian of norm at most L. weight: initial w > 0. Raises InputError for
    other values. Source: Romano, Elad & Milanfar, arXiv 1611.02862.
    """

    def __init__(self, denoiser: nn.Module, step_size: float | int = 0.5, weight: float | int = 1.0) -> None:
        super().__init__(step_size)
        self.denoiser = of_images(denoiser)
        self.log_weight = log_parameter(self, "1.0 balances data and denoiser", weight=weight)

    @property
    def weight(self) -> Float[Tensor, ""]:
        """w > 0."""
        return self.log_weight.exp()

    def forward(self, z: Image, y: Tensor, physics: LinearPhysics) -> Image:
        """One application of F."""
        data = self.start(physics.A(z) - y, physics)
        return z - self.step_size * (data + self.weight * (z - self.denoiser(z)))


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

    prox is that of ProximalStep. At the fixed point x = v = D(v - A^T (A v - y) / rho), as in ProximalGradient with
    step size 1 / rho, and u = -A^T (A v - y) / rho. If D is firmly nonexpansive, such as a proximal map, F does not
    expand ||v||^2 + ||u||^2 and converges; for a linear, symmetric D < I its spectral radius is below 1.

    denoiser: D, as in ProximalGradient. penalty: initial rho > 0 (else InputError), learnt.
    Source: Boyd et al., Found. Trends Mach. Learn. 3 (2011), section 3.1.1; with a denoiser, Venkatakrishnan, Bouman &
    Wohlberg, GlobalSIP 2013; convergence, Eckstein & Bertsekas, Math. Program. 55 (1992).
    """

    def forward(self, z: tuple[Image, Image], y: Tensor, physics: LinearPhysics) -> tuple[Image, Image]:
        """One application of F."""
        v, u = z
        seen = self.data_step(v - u, y, physics) + u  # less the denoiser's output, it is the next dual
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
