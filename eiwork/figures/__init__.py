"""Pure functions from numbers to matplotlib figures that carry an alternative text; nothing is computed here.

Names are imported when they are first used, so that who draws nothing does not wait for matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eiwork.figures.curves import comparison, convergence, lines, training_curves
    from eiwork.figures.described import DescribedFigure, figure_png, new_figure, show
    from eiwork.figures.images import image_row
    from eiwork.figures.style import PALETTE, style

__all__ = ["PALETTE", "DescribedFigure", "comparison", "convergence", "figure_png", "image_row", "lines", "new_figure"]
__all__ += ["show", "style", "training_curves"]


def __getattr__(name: str) -> Any:
    for home in ("described", "curves", "images", "style") if name in __all__ else ():
        module = import_module(f"{__name__}.{home}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
