"""Fixed points and their gradients; `eiwork.fixed_point(...)` is `eiwork.fixed_point.fixed_point(...)`."""

import sys
from types import ModuleType
from typing import Protocol, runtime_checkable

from eiwork.errors import InputError
from eiwork.fixed_point.adjoint import GMRES
from eiwork.fixed_point.anderson import Anderson
from eiwork.fixed_point.approximate import JacobianFree, Neumann, Phantom
from eiwork.fixed_point.broyden import Broyden
from eiwork.fixed_point.calling import calling, not_compiled
from eiwork.fixed_point.finite import Reversible, Unrolled
from eiwork.fixed_point.implicit import Implicit
from eiwork.fixed_point.record import Report, Solution, record
from eiwork.fixed_point.solve import as_solver, solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver, Picard
from eiwork.fixed_point.state import State, StateMap

__all__ = ["Report", "Solution", "fixed_point", "record", "solve_fixed_point"]
__all__ += ["GMRES", "Anderson", "Broyden", "FixedPointSolver", "Picard"]
__all__ += ["GradientMode", "Implicit", "JacobianFree", "Neumann", "Phantom", "Reversible", "Unrolled"]


@runtime_checkable
class GradientMode(Protocol):
    """How a fixed point is differentiated: an object with its own settings."""

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, attached to the autograd graph of whatever f closes over."""


@not_compiled
def fixed_point(
    f: StateMap, z0: State, solver: FixedPointSolver | None = None, gradient: GradientMode | None = None
) -> State:
    """The fixed point of f from z0, differentiable with respect to every tensor that f closes over.

    f, z0, failures: as in `solve_fixed_point`; z0 receives no gradient, except with Unrolled and Reversible. Without
    anything to differentiate by, the result has no gradient either. If f offers `select(indices)`, the same map for
    some samples, those that have converged are not evaluated again. gradient: Implicit() by default. Inside a
    torch.func transform only Unrolled works; torch.compile leaves a solve as it is.
    """
    gradient = Implicit() if gradient is None else gradient
    if not callable(gradient) or isinstance(gradient, type):
        raise InputError(f"gradient={gradient!r} is not a gradient mode: pass an object such as Implicit().")
    with calling(f, z0) as called:
        return gradient(called, z0, as_solver(solver))


class _CallablePackage(ModuleType):
    """Lets the package and its main function share the field's name."""

    __call__ = staticmethod(fixed_point)


sys.modules[__name__].__class__ = _CallablePackage
