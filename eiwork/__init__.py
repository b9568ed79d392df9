"""Deep equilibrium models trained by equivariant imaging: the engine of the workbook.

Public names are imported when they are first used, so that `eiwork --help` need not wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eiwork import errors, fixed_point
    from eiwork.errors import *
    from eiwork.fixed_point import *  # type: ignore[no-redef]  # the package is called as its function
    from eiwork.models import *
    from eiwork.training import *

__version__ = "0.1.0"

__all__ = ["errors", "fixed_point"]
__all__ += ["CheckpointError", "ConvergenceError", "ConvergenceWarning", "DataFormatError", "EiworkError", "InputError"]
__all__ += ["RecipeError", "Solution", "record", "solve_fixed_point"]
__all__ += ["GMRES", "Anderson", "Broyden", "Picard"]
__all__ += ["Implicit", "JacobianFree", "Neumann", "Phantom", "Reversible", "Unrolled"]
__all__ += ["ADMM", "DEQ", "GradientDescent", "HalfQuadraticSplitting", "ProximalGradient"]
__all__ += ["GradientStep", "ProximalStep", "WhitenedStep"]
__all__ += ["GradientStepDenoiser", "InputConvexPotential", "ResidualBlockCNN", "ResidualCNN"]
__all__ += ["Contraction", "evaluate", "fit"]

_SUBPACKAGES = {"analysis", "data", "errors", "figures", "fixed_point", "losses", "models", "physics", "symmetry"}
_SUBPACKAGES |= {"training", "widgets"}


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"eiwork.{name}")
    if name in __all__:
        for home in ("errors", "fixed_point", "models", "training"):
            module = import_module(f"eiwork.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'eiwork' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBPACKAGES, "__version__"})
