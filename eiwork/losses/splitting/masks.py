"""Random splittings: which measured numbers the reconstruction may see."""

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError


def _ranked(candidates: Float[Tensor, "batch unit"], share: float) -> Float[Tensor, "batch unit"]:
    """1 for round(share * n) of the n candidates (marked 1) of each row, drawn at random; at least 1, at most n - 1."""
    n = candidates.sum(dim=1)
    if bool((n < 2).any()):
        raise InputError(
            f"A splitting needs at least two units to share out, and there are {int(n.min())}: measure more, or "
            "train without splitting."
        )
    keep = (share * n).round().clamp(min=torch.ones_like(n), max=n - 1)
    # Candidates get ranks 0 ... n - 1 in a random order, the others come after them.
    order = (torch.rand(candidates.shape) + 2 * (1 - candidates)).argsort(dim=1).argsort(dim=1)
    return (order < keep[:, None]).to(candidates) * candidates


class _Splitting:
    """A generator of masks, called as deepinv's splitting losses call theirs; draws from torch's default generator."""

    def __init__(self, share: float | int) -> None:
        if not 0 < share < 1:
            raise InputError(f"share={share}: the part that reconstructs must lie in (0, 1); try 0.8.")
        self.share = float(share)

    def step(
        self, batch_size: int, input_mask: Tensor | None = None, **kwargs: object
    ) -> dict[str, Float[Tensor, "batch channel height width"]]:
        """A mask for each sample: 1 where the number belongs to y_1."""
        raise NotImplementedError

    def _measured(self, input_mask: Tensor | None) -> Tensor:
        if input_mask is None:
            raise InputError(
                f"{type(self).__name__} splits a mask, and this physics has none: use SplitViews for tomography."
            )
        return input_mask[0].detach().cpu()


class SplitPixels(_Splitting):
    """Pixelwise: `share` of the measured pixels, all channels alike, a splitting of its own for every sample."""

    def step(
        self, batch_size: int, input_mask: Tensor | None = None, **kwargs: object
    ) -> dict[str, Float[Tensor, "batch channel height width"]]:
        """See the class."""
        measured = self._measured(input_mask)
        flat = measured[0].flatten().expand(batch_size, -1)
        chosen = _ranked(flat, self.share).view(batch_size, 1, *measured.shape[1:])
        return {"mask": chosen.expand(-1, len(measured), -1, -1).to(input_mask)}


class SplitColumns(_Splitting):
    """Cartesian MRI: `share` of the measured columns outside the centre, which always reconstructs.

    share: in (0, 1). n_center: fully sampled columns around the zero frequency (index width // 2), >= 0.
    """

    def __init__(self, share: float | int = 0.6, *, n_center: int = 0) -> None:
        super().__init__(share)
        self.n_center = n_center

    def step(
        self, batch_size: int, input_mask: Tensor | None = None, **kwargs: object
    ) -> dict[str, Float[Tensor, "batch channel height width"]]:
        """See the class."""
        measured = self._measured(input_mask)
        width = measured.shape[-1]
        columns = measured[0, 0].clone()
        center = torch.zeros(width)
        nearest = (torch.arange(width) - width // 2).abs().argsort(stable=True)
        center[nearest[: self.n_center]] = 1.0
        center *= columns
        chosen = _ranked((columns - center).expand(batch_size, -1), self.share) + center
        shape = (batch_size, *measured.shape[:2], width)
        return {"mask": chosen[:, None, None, :].expand(shape).to(input_mask)}


class SplitViews(_Splitting):
    """Tomography: `share` of the views, the same for the whole batch, so that one factorisation serves it.

    shape: (channel, detector, view) of a measurement.
    """

    def __init__(self, share: float | int = 0.8, *, shape: tuple[int, int, int]) -> None:
        super().__init__(share)
        self.shape = shape

    def step(
        self, batch_size: int, input_mask: Tensor | None = None, **kwargs: object
    ) -> dict[str, Float[Tensor, "batch channel height width"]]:
        """See the class."""
        views = _ranked(torch.ones(1, self.shape[-1]), self.share)
        return {"mask": views.view(1, 1, 1, -1).expand(batch_size, *self.shape).clone()}
