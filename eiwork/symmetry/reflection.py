"""Reflections."""

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.symmetry.per_sample import PerSampleTransform, grid_of

_AXES = {"horizontal": -1, "vertical": -2}


class Reflection(PerSampleTransform):
    """Exact flips: each axis of each image is flipped with probability one half.

    Args:
        axes: "horizontal" (left and right change places), "vertical" (top and bottom), or both.
        n_trans: versions per image.
        rng: CPU generator of the choice; None draws from PyTorch's default generator.

    Raises:
        InputError: no axis or an unknown one.
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
        return grid_of([(name, torch.arange(2)) for name in self.parameter_names])

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        shape = (self.n_trans, len(x))
        return {f"flip_{axis}": torch.randint(2, shape, generator=self.rng) for axis in self.axes}

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
