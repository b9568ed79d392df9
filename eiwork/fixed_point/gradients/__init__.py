"""Gradient modes of a fixed point, each an object with its own settings."""

from typing import Protocol, runtime_checkable

from eiwork.fixed_point.gradients.approximate import JacobianFree, Neumann, Phantom
from eiwork.fixed_point.gradients.implicit import Implicit
from eiwork.fixed_point.gradients.reversible import Reversible
from eiwork.fixed_point.gradients.unrolled import Unrolled
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import State, StateMap

__all__ = ["GradientMode", "Implicit", "JacobianFree", "Neumann", "Phantom", "Reversible", "Unrolled"]


@runtime_checkable
class GradientMode(Protocol):
    """How a fixed point is differentiated."""

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, attached to the autograd graph of whatever f closes over."""
