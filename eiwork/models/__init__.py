"""Reconstruction models: denoisers, iterations, the DEQ, and what it is compared with."""

from eiwork.models.autocast import Autocast, MixedPrecisionDEQ
from eiwork.models.averaged import GroupAveraged, quarter_turns_and_flips
from eiwork.models.blended import Blended
from eiwork.models.compiled import Compiled
from eiwork.models.data_steps import DataStep, GradientStep, ProximalStep, WhitenedStep
from eiwork.models.denoisers import ResidualCNN
from eiwork.models.deq import DEQ
from eiwork.models.gradient_step import GradientStepDenoiser, InnerProductPotential, ResidualPotential
from eiwork.models.guarded import GuardedDEQ
from eiwork.models.guarded_solution import GuardedSolution
from eiwork.models.input_convex import InputConvexPotential
from eiwork.models.iterations import (
    ADMM,
    GradientDescent,
    HalfQuadraticSplitting,
    Inertial,
    Iteration,
    ProximalGradient,
)
from eiwork.models.residual_blocks import ResidualBlockCNN

__all__ = [
    "ADMM",
    "DEQ",
    "Autocast",
    "Blended",
    "Compiled",
    "DataStep",
    "GradientDescent",
    "GradientStep",
    "GradientStepDenoiser",
    "GroupAveraged",
    "GuardedDEQ",
    "GuardedSolution",
    "HalfQuadraticSplitting",
    "Inertial",
    "InnerProductPotential",
    "InputConvexPotential",
    "Iteration",
    "MixedPrecisionDEQ",
    "ProximalGradient",
    "ProximalStep",
    "ResidualBlockCNN",
    "ResidualCNN",
    "ResidualPotential",
    "WhitenedStep",
    "quarter_turns_and_flips",
]
