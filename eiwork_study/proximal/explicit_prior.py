"""A recovered prior as an ordinary regulariser: minimise ||A x - y||^2 / 2 + weight phi(x) with a line search."""

import warnings
from dataclasses import dataclass, field

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.analysis.prior import ImpliedPrior
from eiwork.analysis.quadrature import inner
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError

Image = Float[Tensor, "batch channel height width"]
Vector = Float[Tensor, " batch"]
_SUFFICIENT = 1e-4
_RUNAWAY = 1e4
_HALVINGS = 30


@dataclass(frozen=True)
class Minimisation:
    """A reconstruction by an explicit prior.

    x: the image D(z). z: its preimage. objective: of each sample after every step, never increasing.
    converged: whether ||A^T (A x - y) + weight (z - x)||, the gradient of the objective at x, fell below tol ||z||.
    residual: that ratio at the end.
    """

    x: Image
    z: Image
    objective: list[Vector] = field(repr=False)
    converged: Bool[Tensor, " batch"]
    residual: Vector


def minimise_with_prior(
    prior: ImpliedPrior,
    y: Tensor,
    physics: LinearPhysics,
    *,
    weight: float | int = 1.0,
    z0: Image | None = None,
    max_iter: int = 300,
    tol: float = 1e-3,
) -> Minimisation:
    """argmin over x of ||A x - y||^2 / 2 + weight phi(x), with x = D(z) and z the unknown.

    phi(D(z)) and its gradient z - D(z) are known without inverting D. z moves along -(A^T (A x - y) + weight (z - x)),
    which descends where J_D is positive, else along minus the gradient in z; Barzilai-Borwein steps are halved until
    the objective falls enough (Armijo), sample by sample. So the objective never grows, whatever D is. A fixed point of
    proximal gradient descent with step gamma is stationary for weight = 1 / gamma.

    z0: start, A^T y by default. tol: see `Minimisation`. Warns (ConvergenceWarning) where it is not reached.
    Raises InputError for settings out of range, and ConvergenceError where an image grows ten thousand times as large
    as its start: then the objective has no minimum, as happens where J_D has negative eigenvalues.
    """
    if not weight > 0 or not tol > 0 or max_iter < 1:
        raise InputError(f"minimise_with_prior(weight={weight}, tol={tol}, max_iter={max_iter}): all must be positive.")
    problem = _Problem(prior, y, physics, float(weight))
    z = (physics.A_adjoint(y) if z0 is None else z0).detach()
    reach = inner(z, z).sqrt().clamp(min=1.0)
    at = problem.look(z)
    trace, step = [at.objective], torch.ones_like(at.objective)
    for _ in range(max_iter):
        moving = at.residual > tol
        if not bool(moving.any()):
            break
        direction, slope = at.descent()
        z_next, moved = problem.line_search(z, at, direction, slope, step, moving)
        if not bool(moved.any()):
            break  # at rounding
        if bool((inner(z_next, z_next).sqrt() > _RUNAWAY * reach).any()):
            raise ConvergenceError(
                f"The objective falls without bound: after {len(trace)} steps the image has grown {_RUNAWAY:.0e}-fold "
                "and the recovered phi has no minimum: D is no proximal map there (see the smallest "
                "eigenvalue of its Jacobian). Use an operator that is one, such as an InputConvexPotential fitted to D."
            )
        after = problem.look(z_next)
        step = torch.where(moved, _barzilai_borwein(z_next - z, after.pull - at.pull), step)
        z, at = z_next, after
        trace.append(at.objective)
    converged = at.residual <= tol
    if not bool(converged.all()):
        warnings.warn(
            f"The minimisation with the recovered prior stopped after {len(trace) - 1} steps with a gradient of "
            f"{float(at.residual.max()):.1e} ||z||, above tol={tol:.1e}: raise max_iter, or where steps ended early "
            "take float64, since the objective no longer falls by more than its rounding.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return Minimisation(at.x, z, trace, converged, at.residual)


@dataclass(frozen=True)
class _Look:
    """The objective at z, its gradient in z, and the pull: its gradient at x."""

    x: Image
    objective: Vector
    gradient: Image
    pull: Image
    residual: Vector

    def descent(self) -> tuple[Image, Vector]:
        """A direction of descent and the slope of the objective along it."""
        slope = inner(self.gradient, self.pull)
        enough = slope > 1e-3 * (inner(self.gradient, self.gradient) * inner(self.pull, self.pull)).sqrt()
        direction = torch.where(enough.view(-1, 1, 1, 1), self.pull, self.gradient)
        return -direction, -inner(self.gradient, direction)


@dataclass(frozen=True)
class _Problem:
    prior: ImpliedPrior
    y: Tensor
    physics: LinearPhysics
    weight: float

    def objective(self, z: Image) -> tuple[Vector, Image]:
        x = self.prior.denoiser(z)
        misfit = self.physics.A(x) - self.y
        phi = inner(z, x) - inner(x, x) / 2 - self.prior.psi(z).double()
        return inner(misfit, misfit) / 2 + self.weight * phi, x

    def look(self, z: Image) -> _Look:
        with torch.enable_grad():
            leaf = z.detach().clone().requires_grad_()
            objective, x = self.objective(leaf)
            (gradient,) = torch.autograd.grad(objective.sum(), leaf)
        x = x.detach()
        pull = self.physics.A_adjoint(self.physics.A(x) - self.y) + self.weight * (z - x)
        residual = (inner(pull, pull) / inner(z, z).clamp(min=1e-300)).sqrt()
        return _Look(x, objective.detach(), gradient, pull, residual)

    @torch.no_grad()
    def line_search(
        self,
        z: Image,
        at: _Look,
        direction: Image,
        slope: Vector,
        step: Vector,
        moving: Bool[Tensor, " batch"],
    ) -> tuple[Image, Bool[Tensor, " batch"]]:
        """Halve the steps of the samples that need it; those that never descend stay where they are."""
        open_, best, step = moving.clone(), z.clone(), step.clone()
        for _ in range(_HALVINGS):
            trial = z + step.to(z).view(-1, 1, 1, 1) * direction
            objective, _ = self.objective(trial)
            good = open_ & (objective < at.objective + _SUFFICIENT * step * slope)
            best = torch.where(good.view(-1, 1, 1, 1), trial, best)
            open_ = open_ & ~good
            if not bool(open_.any()):
                break
            step = torch.where(open_, step / 2, step)
        return best, moving & ~open_


def _barzilai_borwein(moved: Image, changed: Image) -> Vector:
    product, length = inner(moved, changed), inner(moved, moved)
    return torch.where(product > 0, length / product.clamp(min=1e-300), 1.0).clamp(1e-3, 1e3)
