"""Deep equilibrium models trained by equivariant imaging: the engine of the workbook.

Public names are imported when they are first used, so that `eiwork --help` need not wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        SHINE,
        Anderson,
        Broyden,
        Implicit,
        JacobianFree,
        Neumann,
        Phantom,
        Picard,
        Reversible,
        Solution,
        Unrolled,
        record,
        solve_fixed_point,
    )
    from eiwork.models import (
        ADMM,
        DEQ,
        GradientDescent,
        GradientStep,
        GradientStepDenoiser,
        GroupAveraged,
        HalfQuadraticSplitting,
        InputConvexPotential,
        ProximalGradient,
        ProximalStep,
        ResidualBlockCNN,
        ResidualCNN,
        WhitenedStep,
    )

__version__ = "0.1.0"

__all__ = [
    "ADMM",
    "DEQ",
    "GMRES",
    "SHINE",
    "Anderson",
    "Broyden",
    "CheckpointError",
    "ConvergenceError",
    "ConvergenceWarning",
    "DataFormatError",
    "EiworkError",
    "GradientDescent",
    "GradientStep",
    "GradientStepDenoiser",
    "GroupAveraged",
    "HalfQuadraticSplitting",
    "Implicit",
    "InputConvexPotential",
    "InputError",
    "JacobianFree",
    "Neumann",
    "Phantom",
    "Picard",
    "ProximalGradient",
    "ProximalStep",
    "RecipeError",
    "ResidualBlockCNN",
    "ResidualCNN",
    "Reversible",
    "Solution",
    "Unrolled",
    "WhitenedStep",
    "errors",
    "fixed_point",
    "record",
    "solve_fixed_point",
]

_SUBPACKAGES = frozenset(
    {"analysis", "data", "errors", "figures", "fixed_point", "losses", "models", "physics", "symmetry"}
    | {"training", "widgets"}
)
_HOMES = ("eiwork.errors", "eiwork.fixed_point", "eiwork.models")


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"eiwork.{name}")
    if name in __all__:
        for home in _HOMES:
            module = import_module(home)
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'eiwork' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBPACKAGES, "__version__"})
