"""What a DEQ is compared with: linear inverses, total variation, an unrolled network."""

import warnings

import torch
from deepinv.optim import L2, PDCP, TVPrior
from deepinv.optim.prior import L12Prior
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point.record import require
from eiwork.models.door import at_the_door
from eiwork.models.iterations import Iteration

Image = Float[Tensor, "batch channel height width"]

_SQUARED_NORM = 8.0  # ||D||^2 for the forward differences D of an image (Chambolle, 2004)
_PRIMAL_SHARE = 0.01  # primal step relative to (size of the image) / weight; of 0.001 to 1 the fastest on CT and MRI


class MinimumNormInverse(nn.Module):
    """A^+ y: of all images that explain the measurement best, the one of smallest norm."""

    @at_the_door
    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Apply the pseudo-inverse."""
        return physics.A_dagger(y)


class FilteredBackProjection(nn.Module):
    """Ramp-filtered back-projection; raises InputError for a physics that is not tomography."""

    @at_the_door
    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Apply filtered back-projection."""
        if not hasattr(physics, "fbp"):
            raise InputError(f"{type(physics).__name__} has no filtered back-projection: use MinimumNormInverse.")
        return physics.fbp(y)


class ConjugateGradientSENSE(nn.Module):
    """argmin_x ||A x - y||^2 + weight ||x||^2, by conjugate gradients in MRI: regularised SENSE (Pruessmann, 2001).

    weight: > 0 (else InputError), relative to ||A||^2 = 1.
    """

    def __init__(self, weight: float | int = 1e-3) -> None:
        super().__init__()
        require(self, weight > 0, "must be positive; try 1e-3.", weight=weight)
        self.weight = float(weight)

    @at_the_door
    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Reconstruct; `ConvergenceWarning` where conjugate gradients miss their tolerance."""
        return physics.prox_l2(None, y, 1 / self.weight)


class TotalVariation(nn.Module):
    """argmin_x ||A x - y||^2 / 2 + weight * TV(x), isotropic, by deepinv's primal-dual iteration.

    weight: > 0 (else InputError), in the units of the squared measurement per pixel value. tol: of the relative change
    of x (of the whole batch); ConvergenceWarning where `max_iter` iterations do not reach it.
    Source: Rudin, Osher & Fatemi (1992); Chambolle & Pock, J. Math. Imaging Vision 40 (2011).
    """

    def __init__(self, weight: float | int = 1e-3, max_iter: int = 1000, tol: float = 1e-5) -> None:
        super().__init__()
        require(self, weight > 0, "must be positive; try 1e-3.", weight=weight)
        self.weight, self.max_iter, self.tol = weight, max_iter, tol
        self.prior = TVPrior()

    @at_the_door
    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Reconstruct."""
        start = physics.A_adjoint(y)
        step = _PRIMAL_SHARE * float(start.abs().amax()) / self.weight if len(start) else 0.0
        if step == 0:  # y = 0, whose reconstruction is 0
            return start
        operators = {"K": self.prior.nabla, "K_adjoint": self.prior.nabla_adjoint, "g_first": True}
        terms = {"data_fidelity": L2(), "prior": L12Prior(l2_axis=-1), "lambda_reg": self.weight}
        steps = {"stepsize": step, "stepsize_dual": 1 / (_SQUARED_NORM * step)}
        stop = {"max_iter": self.max_iter, "thres_conv": self.tol, "early_stop": True}
        optimiser = PDCP(**operators, **terms, **steps, **stop)
        x = optimiser(y, physics, init=(start, start, torch.zeros_like(self.prior.nabla(start))))
        if not optimiser.has_converged:
            message = f"Total variation stopped before its relative change fell below {self.tol:.1e}: raise max_iter."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return x


class UnrolledNetwork(nn.Module):
    """`steps` (>= 1, else InputError) applications of F with shared weights, from its start: not a fixed point."""

    def __init__(self, iteration: nn.Module, steps: int = 8) -> None:
        super().__init__()
        require(self, steps >= 1, "at least one step is needed.", steps=steps)
        self.iterate: Iteration = iteration  # type: ignore[assignment]
        self.steps = steps

    @at_the_door
    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Run the steps."""
        z = self.iterate.start(y, physics)
        for _ in range(self.steps):
            z = self.iterate(z, y, physics)
        return self.iterate.image(z)
