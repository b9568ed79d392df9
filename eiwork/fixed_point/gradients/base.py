"""What every gradient mode is: an object that turns (f, z0, solver) into a differentiable fixed point."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import State


@runtime_checkable
class GradientMode(Protocol):
    """How a fixed point is differentiated; an object with its own settings."""

    def __call__(self, f: Callable[[State], State], z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, attached to the autograd graph of whatever f closes over."""
