"""Deep equilibrium models trained by equivariant imaging: the engine of the workbook."""

from eiwork import errors, fixed_point
from eiwork.errors import (
    CheckpointError,
    ConvergenceError,
    ConvergenceWarning,
    DataFormatError,
    EiworkError,
    InputError,
    RecipeError,
)
from eiwork.fixed_point import (
    GMRES,
    Anderson,
    Implicit,
    JacobianFree,
    Picard,
    Solution,
    Unrolled,
    record,
    solve_fixed_point,
)
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN, WhitenedStep

__version__ = "0.1.0"

__all__ = [
    "DEQ",
    "GMRES",
    "Anderson",
    "CheckpointError",
    "ConvergenceError",
    "ConvergenceWarning",
    "DataFormatError",
    "EiworkError",
    "GradientStep",
    "Implicit",
    "InputError",
    "JacobianFree",
    "Picard",
    "ProximalGradient",
    "RecipeError",
    "ResidualCNN",
    "Solution",
    "Unrolled",
    "WhitenedStep",
    "errors",
    "fixed_point",
    "record",
    "solve_fixed_point",
]
