"""Training losses, thin over deepinv.loss: which terms a way of training consists of."""

from eiwork.losses.build import (
    Method,
    build_denoising_loss,
    build_loss,
    build_recorrupted_loss,
    build_robust_loss,
    build_splitting_loss,
)
from eiwork.losses.denoising import DenoisingLoss, denoiser_of
from eiwork.losses.equivariance import EquivarianceLoss, WarmStartedEILoss
from eiwork.losses.recorrupted import RecorruptedTraining
from eiwork.losses.robust import MeasuredSureLoss
from eiwork.losses.splitting import (
    EquivariantReconstructor,
    SplitColumns,
    SplitPhysics,
    SplitPixels,
    SplitTraining,
    SplitViews,
    averaged_reconstructor,
)
from eiwork.losses.weighted import WeightedLoss
from eiwork.losses.whitened import WhitenedConsistencyLoss, WhitenedSureLoss

__all__ = [
    "DenoisingLoss",
    "EquivarianceLoss",
    "EquivariantReconstructor",
    "MeasuredSureLoss",
    "Method",
    "RecorruptedTraining",
    "SplitColumns",
    "SplitPhysics",
    "SplitPixels",
    "SplitTraining",
    "SplitViews",
    "WarmStartedEILoss",
    "WeightedLoss",
    "WhitenedConsistencyLoss",
    "WhitenedSureLoss",
    "averaged_reconstructor",
    "build_denoising_loss",
    "build_loss",
    "build_recorrupted_loss",
    "build_robust_loss",
    "build_splitting_loss",
    "denoiser_of",
]
