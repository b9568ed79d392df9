"""Jacobian-free backpropagation: the adjoint solve is replaced by the identity."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from eiwork.fixed_point.gradients.rule import first_order, refuse_transforms
from eiwork.fixed_point.solve import solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Packing, State, detach


@dataclass(frozen=True)
class JacobianFree:
    """Differentiates one evaluation of f at the fixed point and ignores J: cheap, and biased.

    The gradient is v^T df/dtheta with v = dL/dz in place of (I - J^T)^{-1} dL/dz. Raises InputError when it is
    differentiated again, or under torch.func. Source: Fung et al., AAAI 2022, arXiv 2103.12803.
    """

    def __call__(self, f: Callable[[State], State], z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, with the Jacobian-free gradient attached."""
        refuse_transforms("JacobianFree")
        value = solve_fixed_point(f, z0, solver).value
        if not torch.is_grad_enabled():
            return value
        return first_order(Packing.of(value).check(f(detach(value))), "JacobianFree")
