"""The prior whose proximal map a denoiser is, and the potential from which it follows, by integrating the denoiser."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.circulation import line_integral
from eiwork.analysis.jacobian import Image, ImageMap, Vector, inner
from eiwork.errors import InputError


@dataclass(frozen=True)
class PathPotential:
    """psi(x): the integral of <D, dx> along the straight line from a base image to x; psi(base) = 0.

    If D is a gradient this is its potential, up to a constant. If not, it still is a function, but depends on the base.

    denoiser: D. base: one image (1, channel, height, width), such as zeros or the mean of the data. order: nodes of the
    Gauss-Legendre rule. Raises InputError for a base of another batch size.
    """

    denoiser: ImageMap
    base: Float[Tensor, "_ channel height width"]
    order: int = 8

    def __post_init__(self) -> None:
        if len(self.base) != 1:
            raise InputError(f"The base of a potential is one image, got a batch of {len(self.base)}.")

    def __call__(self, x: Image) -> Vector:
        """psi of each image, in float64."""
        return line_integral(self.denoiser, self.base, x, order=self.order)


@dataclass(frozen=True)
class PriorValue:
    """phi at images x = D(z); where D is the proximal map of phi, grad phi(x) = z - x."""

    x: Image
    phi: Vector


@dataclass(frozen=True)
class ImpliedPrior:
    """phi with D(z) = argmin over x of ||x - z||^2 / 2 + phi(x), on the range of D, from a potential psi of D.

    phi(D(z)) = <z, D(z)> - ||D(z)||^2 / 2 - psi(z), for convex psi: phi + ||x||^2 / 2 is the convex conjugate of psi,
    and phi itself need not be convex (Gribonval & Nikolova, arXiv 1807.04014). Up to the constant of psi. If D is a map
    whose J is not symmetric or not positive, the formula still gives numbers, but D(z) minimises nothing.

    denoiser: D. psi: image -> one number a sample: `PathPotential(...)`, or the exact `psi` of a GradientStepDenoiser
    or an InputConvexPotential.
    """

    denoiser: ImageMap
    psi: ImageMap

    @torch.no_grad()
    def at_output(self, z: Image) -> PriorValue:
        """phi at x = D(z), without solving anything."""
        x = self.denoiser(z)
        return PriorValue(x, inner(z, x) - inner(x, x) / 2 - self.psi(z).double())
