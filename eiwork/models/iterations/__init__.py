"""Iterations F(z, y) whose fixed points are reconstructions."""

from eiwork.models.iterations.admm import ADMM
from eiwork.models.iterations.base import Iteration
from eiwork.models.iterations.gradient_descent import GradientDescent
from eiwork.models.iterations.half_quadratic_splitting import HalfQuadraticSplitting
from eiwork.models.iterations.inertial import Inertial
from eiwork.models.iterations.proximal_gradient import ProximalGradient

__all__ = ["ADMM", "GradientDescent", "HalfQuadraticSplitting", "Inertial", "Iteration", "ProximalGradient"]
