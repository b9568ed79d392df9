"""Pure functions from numbers to matplotlib figures that carry an alternative text; nothing is computed here."""

from eiwork.figures.curves import comparison, convergence, lines, training_curves
from eiwork.figures.described import DescribedFigure, figure_png, new_figure, show
from eiwork.figures.images import image_row
from eiwork.figures.style import PALETTE, style

__all__ = ["PALETTE", "DescribedFigure", "comparison", "convergence", "figure_png", "image_row", "lines", "new_figure"]
__all__ += ["show", "style", "training_curves"]
