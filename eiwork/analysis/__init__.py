"""Looking inside: gradients and their errors, memory, and whether a learnt operator is the proximal map of a prior."""

from eiwork.analysis.asymmetry import CompleteBasis, Estimate, RandomSigns, asymmetry
from eiwork.analysis.circulation import Ellipse, circulation, line_integral
from eiwork.analysis.dense import dense_adjoint, dense_ei_gradient, dense_jacobian
from eiwork.analysis.gradients import GradientComparison, compare_gradients, loss_gradient, saved_bytes
from eiwork.analysis.invariance import equivariance_error
from eiwork.analysis.jacobian import Jacobian, evaluation_points, jacobian, null_space_projector, range_projector
from eiwork.analysis.prior import ImpliedPrior, PathPotential
from eiwork.analysis.spectrum import largest_stretch, symmetric_spectrum

__all__ = [
    "CompleteBasis",
    "Ellipse",
    "Estimate",
    "GradientComparison",
    "ImpliedPrior",
    "Jacobian",
    "PathPotential",
    "RandomSigns",
    "asymmetry",
    "circulation",
    "compare_gradients",
    "dense_adjoint",
    "dense_ei_gradient",
    "dense_jacobian",
    "equivariance_error",
    "evaluation_points",
    "jacobian",
    "largest_stretch",
    "line_integral",
    "loss_gradient",
    "null_space_projector",
    "range_projector",
    "saved_bytes",
    "symmetric_spectrum",
]
