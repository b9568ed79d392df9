"""SHINE: the inverse Jacobian that Broyden's method learnt in the forward solve serves the backward pass."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point.broyden import Broyden
from eiwork.fixed_point.gradients.neumann import relative
from eiwork.fixed_point.gradients.rule import attach, refuse_transforms
from eiwork.fixed_point.record import Report, publish
from eiwork.fixed_point.solve import run_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import Flat, FlatMap, State, norms


@dataclass(frozen=True)
class SHINE:
    """The gradient v^T df/dtheta with v = H^T dL/dz, where H is Broyden's estimate of (I - J)^{-1} after the solve.

    No adjoint solve; H is good along the steps of the forward solve and unknown elsewhere, so v is checked: where its
    residual ||g + J^T v - v|| exceeds `slack` times that of the Jacobian-free v = g, the sample falls back to v = g.
    A ConvergenceWarning then says so, and the adjoint report has converged = False for these samples. The
    check takes two vector-Jacobian products. The vectors of H (2 * solver.memory states) are held until the backward
    pass. The paper's own test, on the norm of v, would reject good estimates near spectral radius 1.

    slack: > 0; float("inf") never falls back. Raises InputError unless the forward solver is Broyden, when
    differentiated again, or under torch.func. Source: Ramzi et al., ICLR 2022, arXiv 2106.00553.
    """

    slack: float | int = 1.0

    def __post_init__(self) -> None:
        if not self.slack > 0:
            raise InputError(f'SHINE(slack={self.slack}): must be positive; float("inf") never falls back.')

    def __call__(self, f: Callable[[State], State], z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, with the shared inverse in place of the adjoint solve."""
        if not isinstance(solver, Broyden):
            raise InputError(
                f"SHINE needs the inverse Jacobian that Broyden's method learns in the forward solve, but the solver "
                f"is {type(solver).__name__}: pass solver=Broyden(), or choose gradient=Implicit()."
            )
        refuse_transforms("SHINE")
        run = run_fixed_point(f, z0, solver)
        value, end = run.solution.value, run.progress
        if not torch.is_grad_enabled():
            return value
        return attach(f, value, "SHINE", lambda product, g: self._share(product, g, solver, end))

    def _share(self, product: FlatMap, g: Flat, solver: Broyden, end: Progress) -> Flat:
        v = solver.inverse_transpose(end, g)
        free = relative(norms(product(g)), norms(g))
        residual = relative(norms(g + product(v) - v), norms(g))
        # The comparison is false for a non-finite residual, too.
        good = residual <= self.slack * free
        v = torch.where(good[:, None], v, g)
        publish(Report("adjoint", "SHINE", float(self.slack), 2, torch.where(good, residual, free), good))
        if not bool(good.all()):
            warnings.warn(
                f"SHINE fell back to the Jacobian-free gradient for {int((~good).sum())} of {good.numel()} samples: "
                f"the shared inverse left a residual of up to {float(residual.max()):.1e} of dL/dz, against "
                f"{float(free.max()):.1e} without it. Tighten the forward tolerance, raise Broyden's memory, or use "
                "gradient=Implicit().",
                ConvergenceWarning,
                stacklevel=2,
            )
        return v
