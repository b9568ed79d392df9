"""Unrolling: ordinary backpropagation through a fixed number of solver steps."""

from collections.abc import Callable
from dataclasses import dataclass

from eiwork.errors import InputError
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Packing, State


@dataclass(frozen=True)
class Unrolled:
    """Runs exactly `steps` steps of the solver and backpropagates through all of them.

    The output is the finite iteration, with or without gradients enabled; the solver's tolerance does not stop it.
    Memory grows with `steps`. Raises InputError for steps < 1.
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"Unrolled(steps={self.steps}): at least one step is needed.")

    def __call__(self, f: Callable[[State], State], z0: State, solver: FixedPointSolver) -> State:
        """The state after `steps` steps of `solver`, differentiable through each of them."""
        packing = Packing.of(z0)
        flat_map = packing.flat_map(f)
        progress = solver.init(flat_map, packing.pack(z0))
        for _ in range(self.steps - 1):
            # Not solver.step: a sample that stopped moving would stop its gradient too.
            progress = solver.evaluate(flat_map, progress, *solver.propose(progress))
        z, _ = solver.propose(progress)
        return packing.unpack(z)
