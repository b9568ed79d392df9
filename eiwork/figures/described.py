"""Figures that carry a text for readers who cannot see them, and how they are shown in a notebook."""

import base64
import html
import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eiwork.figures.arrays import Number, require
from eiwork.figures.style import DOTS_PER_INCH, style


class DescribedFigure(Figure):
    """A matplotlib figure, made without pyplot, with `alt_text`; the last one of a notebook cell shows itself."""

    alt_text: str = ""

    def described(self, description: str, text: str) -> "DescribedFigure":
        """Give the figure its alternative text, the caller's description in front, and return it."""
        self.alt_text = f"{description.strip()} {text}".strip()
        return self

    def _ipython_display_(self) -> None:
        show(self)


@style()
def new_figure(
    n_rows: int = 1, n_columns: int = 1, *, size: tuple[Number, Number] = (6.4, 3.8), **subplots: Any
) -> tuple[DescribedFigure, Any]:
    """A figure of `size` (inches) and the (n_rows, n_columns) array of its axes."""
    figure = DescribedFigure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **subplots)


def blank(axis: Axes) -> None:
    """Leave an axis nothing but its picture and title."""
    axis.set_axis_off()
    axis.set(xticks=[], yticks=[])  # laying out ticks that nobody sees takes two thirds of drawing images


@style()
def figure_png(figure: Figure, *, dots_per_inch: int = DOTS_PER_INCH) -> bytes:
    """Render a figure as PNG bytes: the same figure gives the same bytes (no date, no version inside)."""
    buffer, own = io.BytesIO(), figure.dpi
    figure.dpi = dots_per_inch
    try:
        # The bytes of `savefig`, which draws everything once more only to find the layout.
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    finally:
        figure.dpi = own
    return buffer.getvalue()


def show(figure: Figure) -> None:
    """Show a figure in a notebook with its `alt_text`; `InputError` when there is none."""
    from IPython.display import display  # here, so that the engine works without a notebook

    text = getattr(figure, "alt_text", "")
    told = "The figure has no alternative text, so it would be invisible to a screen reader. "
    require(bool(text.strip()), told + "Set figure.alt_text = 'what it shows, with its numbers'.")
    data = base64.b64encode(figure_png(figure)).decode("ascii")
    # dark-light: the book's dark theme leaves such pictures as they are instead of dimming them.
    image = '<img class="eiwork-figure dark-light" style="max-width: 100%; '
    image += f'width: {round(figure.get_figwidth() * 100)}px; height: auto; background: white; border-radius: 4px" '
    image += f'alt="{html.escape(text)}" src="data:image/png;base64,{data}"/>'
    display({"text/html": image, "text/plain": text}, raw=True)
