"""Reconstruction models: denoisers, iterations, the DEQ, and what it is compared with (`eiwork.models.baselines`)."""

from eiwork.models.denoisers import NoiseLevel, ResidualBlockCNN, ResidualCNN
from eiwork.models.deq import DEQ
from eiwork.models.gradient_denoisers import GradientStepDenoiser, InputConvexPotential
from eiwork.models.guarded import Attempt, GuardedDEQ, GuardedSolution
from eiwork.models.iterations import (
    ADMM,
    DataStep,
    GradientDescent,
    GradientStep,
    HalfQuadraticSplitting,
    Iteration,
    ProximalGradient,
    ProximalStep,
    WhitenedStep,
)

__all__ = ["ADMM", "DEQ", "GradientDescent", "HalfQuadraticSplitting", "Iteration", "ProximalGradient"]
__all__ += ["DataStep", "GradientStep", "ProximalStep", "WhitenedStep"]
__all__ += ["GradientStepDenoiser", "InputConvexPotential", "NoiseLevel", "ResidualBlockCNN", "ResidualCNN"]
__all__ += ["Attempt", "GuardedDEQ", "GuardedSolution"]
