"""Reconstruction models: denoisers, iterations, the DEQ, and what it is compared with."""

from eiwork.models.data_steps import DataStep, GradientStep, WhitenedStep
from eiwork.models.denoisers import ResidualCNN
from eiwork.models.deq import DEQ
from eiwork.models.iterations import Iteration, ProximalGradient

__all__ = [
    "DEQ",
    "DataStep",
    "GradientStep",
    "Iteration",
    "ProximalGradient",
    "ResidualCNN",
    "WhitenedStep",
]
