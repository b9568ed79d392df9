"""Looking inside: gradients and their errors, memory, and whether a learnt operator is the proximal map of a prior."""

from eiwork.analysis.asymmetry import Asymmetry, AsymmetryNorm, asymmetry, asymmetry_norm
from eiwork.analysis.circulation import Circulation, circulation
from eiwork.analysis.dense_gradient import dense_adjoint, dense_ei_gradient, dense_jacobian
from eiwork.analysis.estimate import Estimate, Interval, interval_over_seeds, mean_and_error
from eiwork.analysis.gradient_error import GradientComparison, compare_gradients
from eiwork.analysis.invariance import (
    Equivariance,
    PriorInvariance,
    ReconstructionEquivariance,
    equivariance_error,
    prior_invariance,
    reconstruction_equivariance,
)
from eiwork.analysis.jacobian import Jacobian, jacobian, null_space_projector, range_projector
from eiwork.analysis.krylov import ExtremeValues, extreme_ritz_values
from eiwork.analysis.loops import Ellipse, Polygon, random_circles, random_triangles
from eiwork.analysis.memory import saved_bytes
from eiwork.analysis.points import evaluation_points
from eiwork.analysis.potential import PathDependence, PathPotential
from eiwork.analysis.prior import ImpliedPrior, PriorValue
from eiwork.analysis.probes import CompleteBasis, RandomSigns
from eiwork.analysis.quadrature import line_integral
from eiwork.analysis.rotated_field import RotatedField
from eiwork.analysis.spectrum import LargestStretch, largest_stretch, symmetric_spectrum
from eiwork_study.proximal.explicit_prior import Minimisation, minimise_with_prior
from eiwork_study.proximal.gradient_field import GradientFieldFit, fit_gradient_field
from eiwork_study.proximal.minimiser import MinimiserGaps, minimiser_gaps, perturbations
from eiwork_study.proximal.nonexpansive import PairConstants, WorstPairs, pair_constants, worst_pairs
from eiwork_study.proximal.report import AnalysisSettings, along_training, analyse

__all__ = [
    "AnalysisSettings",
    "Asymmetry",
    "AsymmetryNorm",
    "Circulation",
    "CompleteBasis",
    "Ellipse",
    "Equivariance",
    "Estimate",
    "ExtremeValues",
    "GradientComparison",
    "GradientFieldFit",
    "ImpliedPrior",
    "Interval",
    "Jacobian",
    "LargestStretch",
    "Minimisation",
    "MinimiserGaps",
    "PairConstants",
    "PathDependence",
    "PathPotential",
    "Polygon",
    "PriorInvariance",
    "PriorValue",
    "RandomSigns",
    "ReconstructionEquivariance",
    "RotatedField",
    "WorstPairs",
    "along_training",
    "analyse",
    "asymmetry",
    "asymmetry_norm",
    "circulation",
    "compare_gradients",
    "dense_adjoint",
    "dense_ei_gradient",
    "dense_jacobian",
    "equivariance_error",
    "evaluation_points",
    "extreme_ritz_values",
    "fit_gradient_field",
    "interval_over_seeds",
    "jacobian",
    "largest_stretch",
    "line_integral",
    "mean_and_error",
    "minimise_with_prior",
    "minimiser_gaps",
    "null_space_projector",
    "pair_constants",
    "perturbations",
    "prior_invariance",
    "random_circles",
    "random_triangles",
    "range_projector",
    "reconstruction_equivariance",
    "saved_bytes",
    "symmetric_spectrum",
    "worst_pairs",
]
