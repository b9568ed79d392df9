"""Looking inside: reference gradients, gradient errors, memory."""

from eiwork.analysis.dense_gradient import dense_adjoint, dense_ei_gradient, dense_jacobian
from eiwork.analysis.gradient_error import GradientComparison, compare_gradients
from eiwork.analysis.memory import saved_bytes

__all__ = [
    "GradientComparison",
    "compare_gradients",
    "dense_adjoint",
    "dense_ei_gradient",
    "dense_jacobian",
    "saved_bytes",
]
