"""Gradient modes of a fixed point, each an object."""

from eiwork.fixed_point.gradients.base import GradientMode
from eiwork.fixed_point.gradients.implicit import Implicit
from eiwork.fixed_point.gradients.jacobian_free import JacobianFree
from eiwork.fixed_point.gradients.neumann import Neumann
from eiwork.fixed_point.gradients.phantom import Phantom
from eiwork.fixed_point.gradients.reversible import Reversible
from eiwork.fixed_point.gradients.shine import SHINE
from eiwork.fixed_point.gradients.unrolled import Unrolled

__all__ = [
    "SHINE",
    "GradientMode",
    "Implicit",
    "JacobianFree",
    "Neumann",
    "Phantom",
    "Reversible",
    "Unrolled",
]
