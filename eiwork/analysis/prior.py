"""The prior whose proximal map a denoiser is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.quadrature import inner
from eiwork.fixed_point import Anderson, FixedPointSolver, Solution, solve_fixed_point
from eiwork.fixed_point.state import State

ImageMap = Callable[[Tensor], Tensor]
StateMap = Callable[[State], State]
Image = Float[Tensor, "batch channel height width"]
Vector = Float[Tensor, " batch"]


@dataclass(frozen=True)
class PriorValue:
    """phi at images x = D(z), with grad phi(x) = z - x where D is the proximal map of phi."""

    x: Image
    z: Image
    phi: Vector

    @property
    def gradient(self) -> Image:
        """z - x: what the optimality of x in ||x - z||^2 / 2 + phi(x) says of the gradient of phi."""
        return self.z - self.x


@dataclass(frozen=True)
class ImpliedPrior:
    """phi with D(z) = argmin over x of ||x - z||^2 / 2 + phi(x), on the range of D, from a potential psi of D.

    phi(D(z)) = <z, D(z)> - ||D(z)||^2 / 2 - psi(z), for convex psi: phi + ||x||^2 / 2 is the convex conjugate of psi,
    and phi itself need not be convex (Gribonval & Nikolova, arXiv 1807.04014). Up to the constant of psi. If D is a map
    whose J is not symmetric or not positive, the formula still gives numbers, and `minimiser_gaps` says what they are
    worth.

    denoiser: D. psi: image -> one number a sample: `PathPotential(...)`, or the exact `psi` of a GradientStepDenoiser
    or an InputConvexPotential. solver: finds preimages as fixed points of z + (x - D(z)).
    """

    denoiser: ImageMap
    psi: ImageMap
    solver: FixedPointSolver = field(default_factory=lambda: Anderson(tol=1e-6, max_iter=300))

    @torch.no_grad()
    def at_output(self, z: Image) -> PriorValue:
        """phi at x = D(z), without solving anything."""
        x = self.denoiser(z)
        return PriorValue(x, z, inner(z, x) - inner(x, x) / 2 - self.psi(z).double())

    def preimage(self, x: Image, z0: Image | None = None) -> Solution:
        """z with D(z) = x, from the start z0 (x itself by default).

        `Solution.residual` is ||x - D(z)|| / ||z + x - D(z)||. Warns with ConvergenceWarning if the solver does not
        reach its tolerance: then x lies outside the range of D, or J is nearly singular or has negative eigenvalues on
        the way.
        """

        def step(z: Tensor) -> Tensor:
            return z + (x - self.denoiser(z))

        return solve_fixed_point(cast(StateMap, step), x if z0 is None else z0, solver=self.solver)

    def at(self, x: Image, z0: Image | None = None) -> PriorValue:
        """phi at any images x in the range of D, through their preimages; warns as `preimage` does.

        The value returned belongs to the image D(z) of the preimage z that was found, which is x to the tolerance.
        """
        z = self.preimage(x, z0).value
        assert isinstance(z, Tensor)
        return self.at_output(z)
