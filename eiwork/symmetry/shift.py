"""Circular shifts."""

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.symmetry.per_sample import PerSampleTransform, grid_of


class Shift(PerSampleTransform):
    """Exact circular shift of every image by a random whole number of pixels, rows and columns apart.

    Args:
        max_fraction: shifts are uniform over -m ... m with m = floor(max_fraction * side / 2); in (0, 1]. With 1
            they are uniform over all circular shifts.
        n_trans: shifted versions per image.
        rng: CPU generator of the shifts; None draws from PyTorch's default generator.

    Raises:
        InputError: a value out of range.
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
        shifts = [torch.arange(*self._range(side)) for side in (height, width)]
        return grid_of(list(zip(self.parameter_names, shifts, strict=True)))

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
