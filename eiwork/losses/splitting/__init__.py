"""Splitting the measurements: one part reconstructs, the other judges."""

from eiwork.losses.splitting.masks import SplitColumns, SplitPixels, SplitViews
from eiwork.losses.splitting.physics import SplitPhysics
from eiwork.losses.splitting.reconstructor import EquivariantReconstructor, averaged_reconstructor
from eiwork.losses.splitting.training import SplitTraining

__all__ = [
    "EquivariantReconstructor",
    "SplitColumns",
    "SplitPhysics",
    "SplitPixels",
    "SplitTraining",
    "SplitViews",
    "averaged_reconstructor",
]
