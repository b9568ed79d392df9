"""The look of every figure: a colour-blind-safe palette and a white ground that reads on light and dark pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.style import context

# Okabe and Ito (2008), "Color Universal Design", without the yellow, which is too faint on white.
PALETTE: tuple[str, ...] = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINE_STYLES: tuple[str, ...] = ("-", "--", "-.", ":", "-", "--", "-.")  # no information rests on colour alone
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X")
REFERENCE_COLOUR = "#555555"
ERROR_COLOUR_MAP = "magma"
# From the palette's blue over white to its vermilion, which every kind of colour vision tells apart.
DIFFERENCE_COLOUR_MAP = LinearSegmentedColormap.from_list("difference", [PALETTE[0], "white", PALETTE[1]])
DOTS_PER_INCH = 110

# What differs from matplotlib's own defaults, which are white as well, whatever a reader has set.
_SETTINGS: dict[str, Any] = {
    "figure.dpi": DOTS_PER_INCH,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.prop_cycle": cycler(color=PALETTE, linestyle=LINE_STYLES),
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "text.color": "#111111",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.framealpha": 0.9,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the package's matplotlib settings in a `with` block or, as a decorator, in a function."""
    with context(["default", _SETTINGS]):
        yield


def look(index: int) -> dict[str, str]:
    """Colour, line style and marker of the series with this index (0, 1, ...; repeats after seven)."""
    n = index % len(PALETTE)
    return {"color": PALETTE[n], "linestyle": LINE_STYLES[n], "marker": MARKERS[n]}
