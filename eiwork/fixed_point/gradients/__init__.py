"""Gradient modes of a fixed point, each an object."""

from eiwork.fixed_point.gradients.base import GradientMode
from eiwork.fixed_point.gradients.implicit import Implicit
from eiwork.fixed_point.gradients.jacobian_free import JacobianFree
from eiwork.fixed_point.gradients.unrolled import Unrolled

__all__ = ["GradientMode", "Implicit", "JacobianFree", "Unrolled"]
