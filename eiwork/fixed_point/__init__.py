"""Fixed points and their gradients: nothing here knows of images, physics or notebooks.

The package is callable: `eiwork.fixed_point(f, z0, ...)` is `eiwork.fixed_point.fixed_point(f, z0, ...)`.
"""

import sys
from types import ModuleType
from typing import Any

from eiwork.fixed_point.anderson import Anderson
from eiwork.fixed_point.broyden import Broyden
from eiwork.fixed_point.fixed_point import fixed_point
from eiwork.fixed_point.gmres import GMRES
from eiwork.fixed_point.gradients import (
    SHINE,
    GradientMode,
    Implicit,
    JacobianFree,
    Neumann,
    Phantom,
    Reversible,
    Unrolled,
)
from eiwork.fixed_point.picard import Picard
from eiwork.fixed_point.record import Report, record
from eiwork.fixed_point.solution import Solution
from eiwork.fixed_point.solve import solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver

__all__ = [
    "GMRES",
    "SHINE",
    "Anderson",
    "Broyden",
    "FixedPointSolver",
    "GradientMode",
    "Implicit",
    "JacobianFree",
    "Neumann",
    "Phantom",
    "Picard",
    "Report",
    "Reversible",
    "Solution",
    "Unrolled",
    "fixed_point",
    "record",
    "solve_fixed_point",
]


class _CallablePackage(ModuleType):
    """Lets the package and its main function share the field's name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return fixed_point(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
