"""The differentiable fixed point: a solver for the value, a gradient mode for the derivative."""

from collections.abc import Callable

from eiwork.errors import InputError
from eiwork.fixed_point.anderson import Anderson
from eiwork.fixed_point.gradients import GradientMode, Implicit
from eiwork.fixed_point.parametrised import weights_evaluated_once
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import State


def fixed_point(
    f: Callable[[State], State],
    z0: State,
    solver: FixedPointSolver | None = None,
    gradient: GradientMode | None = None,
) -> State:
    """The fixed point of f from z0, differentiable with respect to every tensor that f closes over.

    f: maps a tensor (batch, ...) or a tuple of such tensors to the same structure. If it offers `select(indices)`, the
    same map for some samples of the batch, samples that have converged are not evaluated again. z0: the start; it
    receives no gradient, except with Unrolled and Reversible. solver: Anderson() by default; also Broyden(), Picard().
    gradient: Implicit() by default; also JacobianFree(), Phantom(), Neumann(), SHINE(), Reversible(), Unrolled().
    Failures as in `solve_fixed_point`.
    """
    gradient = Implicit() if gradient is None else gradient
    solver = Anderson() if solver is None else solver
    if not callable(gradient) or isinstance(gradient, type):
        raise InputError(f"gradient={gradient!r} is not a gradient mode: pass an object such as Implicit().")
    if not isinstance(solver, FixedPointSolver):
        raise InputError(f"solver={solver!r} cannot solve z = f(z): choose Anderson(), Broyden() or Picard().")
    with weights_evaluated_once(f):
        return gradient(f, z0, solver)
