"""Unrolling: ordinary backpropagation through a fixed number of solver steps."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from eiwork.errors import InputError
from eiwork.fixed_point.capture import refuse_transforms
from eiwork.fixed_point.record import publish_residual
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import FlatMap, Packing, State, StateMap


@dataclass(frozen=True)
class Unrolled:
    """Runs exactly `steps` steps of the solver and backpropagates through all of them.

    The output is the finite iteration, with or without gradients enabled; the solver's tolerance does not stop it.
    Memory grows with `steps`. Derivatives of every order are those of the finite iteration.

    checkpoint_every: if given, keeps only the solver's state after every so many steps and evaluates each stretch again
    in the backward pass: the same gradient for less memory and one more forward pass.
    Raises InputError for steps < 1 or checkpoint_every outside 1..steps.
    """

    steps: int
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"Unrolled(steps={self.steps}): at least one step is needed.")
        if self.checkpoint_every is not None and not 1 <= self.checkpoint_every <= self.steps:
            raise InputError(
                f"Unrolled(steps={self.steps}, checkpoint_every={self.checkpoint_every}): a stretch has 1 to `steps` "
                "steps; about the square root of `steps` needs least memory."
            )

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The state after `steps` steps of `solver`, differentiable through each of them."""
        packing = Packing.of(z0)
        flat_map, start = packing.flat_map(f), packing.pack(z0)
        progress: Any = start
        try:
            if self.checkpoint_every is None or not torch.is_grad_enabled():
                progress = _stretch(solver, flat_map, start, self.steps)
            else:
                for done in range(0, self.steps, self.checkpoint_every):
                    n = min(self.checkpoint_every, self.steps - done)
                    progress = checkpoint(_stretch, solver, flat_map, progress, n, use_reentrant=False)
        except RuntimeError:
            # Some transforms (vmap; forward mode for some solvers) cannot follow a solver's steps.
            refuse_transforms()
            raise
        z, _ = solver.propose(progress)
        name = type(solver).__name__
        publish_residual("forward", name, solver.tol, progress.residual, progress.n_evaluations)
        return packing.unpack(z)


def _stretch(solver: FixedPointSolver, f: FlatMap, state: Tensor | Progress, n_evaluations: int) -> Progress:
    """`n_evaluations` more evaluations of f, from a start or from where an earlier stretch ended."""
    if isinstance(state, Tensor):
        state, n_evaluations = solver.init(f, state), n_evaluations - 1
    for _ in range(n_evaluations):
        # Not solver.step: a sample that stopped moving would stop its gradient too.
        state = solver.evaluate(f, state, *solver.propose(state))
    return state
