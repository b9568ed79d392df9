"""The deep equilibrium model, a reconstruction that is a fixed point, and its iteration as a map of the state alone."""

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point import Anderson, FixedPointSolver, GradientMode, Implicit, Solution, fixed_point
from eiwork.fixed_point.solve import solve_fixed_point
from eiwork.fixed_point.state import State, as_tuple
from eiwork.models.door import at_the_door
from eiwork.models.iterations import Iteration

Image = Float[Tensor, "batch channel height width"]


class BatchMap:
    """z -> F(z, y) with y and the physics fixed; `select`, for solvers, gives the map of some samples of the batch.

    There is one only if all samples see the same operator: a physics that may hold one parameter a sample (any tensor
    as long as the batch) is always evaluated for all, unless it says `same_for_all_samples`, as tomography does.
    """

    def __init__(self, iterate: Iteration, y: Tensor, physics: LinearPhysics) -> None:
        self.iterate, self.y, self.physics = iterate, y, physics
        tensors = (*physics.parameters(), *physics.buffers())
        several = len(y) > 1 and any(t.ndim > 0 and len(t) == len(y) for t in tensors)
        self.separable = not several or bool(getattr(physics, "same_for_all_samples", False))

    def __call__(self, z: State) -> State:
        """One application of F."""
        return self.iterate(z, self.y, self.physics)

    def select(self, indices: Tensor) -> "BatchMap | None":
        """The map of the given samples; None if the operator may differ between samples."""
        return BatchMap(self.iterate, self.y[indices], self.physics) if self.separable else None


class DEQ(nn.Module):
    """Reconstruct x from y as the fixed point x = F(x, y), differentiable by any gradient mode.

    `model(y, physics)` follows deepinv's convention. Every call is one node of the autograd graph: a loss may call the
    model as often as it likes. iteration: F, e.g. ProximalGradient(ResidualCNN()). solver: Anderson() by default.
    gradient: Implicit() by default. Raises InputError for measurements that are not finite.
    Source: Bai, Kolter & Koltun, arXiv 1909.01377; for imaging: Gilton, Ongie & Willett, arXiv 2102.07944.
    """

    def __init__(
        self, iteration: nn.Module, solver: FixedPointSolver | None = None, gradient: GradientMode | None = None
    ) -> None:
        super().__init__()
        if not (hasattr(iteration, "start") and hasattr(iteration, "image")):
            advice = "Wrap a denoiser: DEQ(ProximalGradient(denoiser))."
            raise InputError(f"DEQ takes an iteration; {type(iteration).__name__} has no `start` and `image`. {advice}")
        self.iterate: Iteration = iteration  # type: ignore[assignment]
        self.solver = Anderson() if solver is None else solver
        self.gradient = Implicit() if gradient is None else gradient

    @at_the_door
    def forward(
        self,
        y: Tensor,
        physics: LinearPhysics,
        solver: FixedPointSolver | None = None,
        gradient: GradientMode | None = None,
        *,
        z0: State | None = None,
    ) -> Image:
        """The reconstruction of measurements y; solver, gradient and the start z0 are the model's own by default."""
        f, gradient = BatchMap(self.iterate, y, physics), self.gradient if gradient is None else gradient
        start, solver = self._start(y, physics, z0), self.solver if solver is None else solver
        return self.iterate.image(fixed_point(f, start, solver, gradient))

    @at_the_door
    @torch.no_grad()
    def solve(
        self, y: Tensor, physics: LinearPhysics, z0: State | None = None, solver: FixedPointSolver | None = None
    ) -> Solution:
        """The fixed point with its report, without gradients."""
        start, solver = self._start(y, physics, z0), self.solver if solver is None else solver
        return solve_fixed_point(BatchMap(self.iterate, y, physics), start, solver)

    def iteration(self, z: State, y: Tensor, physics: LinearPhysics) -> State:
        """One application of F."""
        return self.iterate(z, y, physics)

    def _start(self, y: Tensor, physics: LinearPhysics, z0: State | None) -> State:
        with torch.no_grad():
            start = self.iterate.start(y, physics)
        if z0 is None:
            return start
        expected, given = ([(tuple(p.shape), p.dtype, str(p.device)) for p in as_tuple(z)] for z in (start, z0))
        if expected != given:
            raise InputError(f"z0 has shapes, types and devices {given}, but this iteration starts from {expected}.")
        return z0
