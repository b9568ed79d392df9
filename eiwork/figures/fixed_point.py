"""What a fixed-point iteration does: its path on a line, and the spectrum behind it."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from eiwork.figures.arrays import Number, Numbers, require, to_numbers
from eiwork.figures.described import DescribedFigure, new_figure
from eiwork.figures.style import PALETTE, REFERENCE_COLOUR, look, style


@style()
def cobweb(
    positions: Numbers,
    values: Sequence[Numbers],
    iterates: Sequence[Numbers],
    titles: Sequence[str],
    *,
    panel_size: Number = 2.9,
    description: str = "",
) -> DescribedFigure:
    """Maps of one variable with the diagonal and the path z0, f(z0), f(f(z0)), ... between them, a panel each.

    positions (n,) increasing, the range of the axes; per panel the map there (n,), the iterates (k,), k >= 2, and a
    title. Raises `InputError` for counts, lengths or an order that do not fit.
    """
    x, n = to_numbers(positions, "positions"), len(titles)
    require(len(x) >= 2 and (np.diff(x) > 0).all(), "cobweb needs at least two positions in increasing order.")
    told = f"cobweb needs a map, a path and a title per panel; got {len(values)}, {len(iterates)}, {n}."
    require(len(values) == len(iterates) == n > 0, told)
    figure, axes = new_figure(1, n, size=(panel_size * n, panel_size + 0.5))
    parts = []
    for i, (axis, title) in enumerate(zip(axes.flat, titles, strict=True)):
        path = to_numbers(iterates[i], f"iterates[{i}]")
        require(len(path) >= 2, f"iterates[{i}] must hold at least two numbers, z0 and f(z0).")
        axis.plot(x, x, color=REFERENCE_COLOUR, linestyle=":", label="z")
        axis.plot(x, to_numbers(values[i], f"values[{i}]", len(x)), color=PALETTE[0], linestyle="-", label="f(z)")
        # Up or down to the curve, then across to the diagonal, and again.
        stairs = np.repeat(path, 2)
        axis.plot(stairs[:-1], stairs[1:], color=PALETTE[1], linestyle="-", linewidth=1.1, label="iterates")
        axis.plot(path[0], path[0], "o", color=PALETTE[1])
        axis.set(xlim=(x[0], x[-1]), ylim=(x[0], x[-1]), aspect="equal", title=title, xlabel="z")
        parts.append(f"{title}: from {path[0]:.3g} to {path[-1]:.3g} in {len(path) - 1} iterations")
    axes[0, 0].legend(loc="best")
    return figure.described(description, f"Cobweb of iterates between f(z) and z. {'; '.join(parts)}.")


@style()
def spectrum(
    eigenvalues: Mapping[str, Tensor | np.ndarray], *, panel_size: Number = 3.2, description: str = ""
) -> DescribedFigure:
    """Eigenvalues, label -> (n,) complex or real, in the complex plane with the unit circle, a panel each.

    Raises `InputError` for no eigenvalues, another shape, or values that are not finite.
    """
    n = len(eigenvalues)
    require(n > 0, "spectrum needs at least one set of eigenvalues.")
    figure, axes = new_figure(1, n, size=(panel_size * n, panel_size + 0.4), sharex=True, sharey=True)
    angles, parts = np.linspace(0, 2 * np.pi, 200), []
    for i, (axis, (label, numbers)) in enumerate(zip(axes.flat, eigenvalues.items(), strict=True)):
        values = np.asarray(numbers.detach().cpu() if isinstance(numbers, Tensor) else numbers)
        fits = values.ndim == 1 and values.size > 0 and np.isfinite(values).all()
        require(fits, f"The eigenvalues {label!r} must be a list (n,) of finite numbers.")
        axis.plot(np.cos(angles), np.sin(angles), color=REFERENCE_COLOUR, linestyle=":", linewidth=1.2)
        axis.plot(values.real, values.imag, **look(i) | {"linestyle": ""}, alpha=0.6, markeredgewidth=0)
        axis.margins(0.1)
        axis.set(aspect="equal", title=label, xlabel="real part")
        parts.append(f"{label}: {values.size} eigenvalues, largest modulus {np.abs(values).max():.3g}")
    axes[0, 0].set_ylabel("imaginary part")
    return figure.described(description, f"Eigenvalues in the complex plane with the unit circle. {'; '.join(parts)}.")
