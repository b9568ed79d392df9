"""Transforms that move pixels without interpolation: circular shifts and reflections."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.symmetry.per_sample import PerSampleTransform

_AXES = {"horizontal": -1, "vertical": -2}


class Shift(PerSampleTransform):
    """Exact circular shift of every image by a random whole number of pixels, rows and columns apart.

    max_fraction: shifts are uniform over -m ... m with m = floor(max_fraction * side / 2); in (0, 1], else
    `InputError`. With 1 they are uniform over all circular shifts. n_trans, rng: see `PerSampleTransform`.
    """

    def __init__(
        self, max_fraction: float | int = 1.0, *, n_trans: int = 1, rng: torch.Generator | None = None
    ) -> None:
        super().__init__(n_trans=n_trans, rng=rng)
        check_number(max_fraction, "max_fraction", lambda v: 0 < v <= 1, "a share of the image in (0, 1]")
        self.max_fraction = float(max_fraction)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Pixels down and pixels to the right."""
        return ("y_shift", "x_shift")

    def all_params(self, height: int, width: int) -> dict[str, Tensor]:
        """Every pair of shifts."""
        return _grid(self.parameter_names, [torch.arange(*self._range(side)) for side in (height, width)])

    def _range(self, side: int) -> tuple[int, int]:
        limit = int(self.max_fraction * side / 2)
        # On an even side, half a turn to either side is the same shift: count it once.
        return -limit, min(limit + 1, side - limit)

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        shape = (self.n_trans, len(x))
        sides = zip(self.parameter_names, x.shape[-2:], strict=True)
        return {name: torch.randint(*self._range(side), shape, generator=self.rng) for name, side in sides}

    def _transform(
        self, x: Tensor, y_shift: Tensor | None = None, x_shift: Tensor | None = None, **kwargs: object
    ) -> Tensor:
        if y_shift is None or x_shift is None:
            raise InputError("pass both y_shift and x_shift (pixels, down and right), or neither for random ones.")
        x, down, right = self.per_sample(x, y_shift, x_shift)
        for dim, shift in ((-2, down), (-1, right)):
            side = x.shape[dim]
            source = (torch.arange(side, device=x.device) - shift.to(x.device)[:, None]) % side
            index = source[:, None, :, None] if dim == -2 else source[:, None, None, :]
            x = x.gather(dim, index.expand_as(x))
        return x


class Reflection(PerSampleTransform):
    """Exact flips: each axis of each image is flipped with probability one half.

    axes: "horizontal" (left and right change places), "vertical" (top and bottom), or both; else `InputError`.
    n_trans, rng: see `PerSampleTransform`.
    """

    def __init__(
        self,
        axes: tuple[str, ...] = ("horizontal", "vertical"),
        *,
        n_trans: int = 1,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_trans=n_trans, rng=rng)
        if not axes or len(set(axes)) != len(axes) or not set(axes) <= set(_AXES):
            raise InputError(f'axes = {axes!r}; use ("horizontal",), ("vertical",) or both.')
        self.axes = tuple(axes)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """One coin per axis."""
        return tuple(f"flip_{axis}" for axis in self.axes)

    def all_params(self, height: int, width: int) -> dict[str, Tensor]:
        """Every combination of flips."""
        return _grid(self.parameter_names, [torch.arange(2)] * len(self.axes))

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        shape = (self.n_trans, len(x))
        return {name: torch.randint(2, shape, generator=self.rng) for name in self.parameter_names}

    def invert_params(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """A reflection undoes itself."""
        return dict(params)

    def _transform(self, x: Tensor, **params: Tensor) -> Tensor:
        own = {axis: params[f"flip_{axis}"] for axis in _AXES if f"flip_{axis}" in params}
        if not own:
            raise InputError("pass flip_horizontal or flip_vertical (0 or 1 for every image), or nothing at all.")
        x, *flips = self.per_sample(x, *own.values())
        for axis, flip in zip(own, flips, strict=True):
            chosen = flip.to(x.device, torch.bool).view(-1, 1, 1, 1)
            x = torch.where(chosen, x.flip(_AXES[axis]), x)
        return x


def _grid(names: Sequence[str], values: Sequence[Tensor]) -> dict[str, Tensor]:
    """All combinations of the values (n_i,) of several parameters, each parameter as one (prod n_i,) tensor."""
    mesh = torch.meshgrid(*values, indexing="ij")
    return {name: each.reshape(-1) for name, each in zip(names, mesh, strict=True)}
