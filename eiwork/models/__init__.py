"""Reconstruction models: denoisers, iterations, the DEQ, and what it is compared with."""

from eiwork.models.autocast import Autocast, MixedPrecisionDEQ
from eiwork.models.compiled import Compiled
from eiwork.models.data_steps import DataStep, GradientStep, ProximalStep, WhitenedStep
from eiwork.models.denoisers import ResidualCNN
from eiwork.models.deq import DEQ
from eiwork.models.iterations import (
    ADMM,
    GradientDescent,
    HalfQuadraticSplitting,
    Inertial,
    Iteration,
    ProximalGradient,
)

__all__ = [
    "ADMM",
    "DEQ",
    "Autocast",
    "Compiled",
    "DataStep",
    "GradientDescent",
    "GradientStep",
    "HalfQuadraticSplitting",
    "Inertial",
    "Iteration",
    "MixedPrecisionDEQ",
    "ProximalGradient",
    "ProximalStep",
    "ResidualCNN",
    "WhitenedStep",
]
