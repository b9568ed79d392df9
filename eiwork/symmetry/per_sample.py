"""Random transforms with one group element for every image of a batch."""

import torch
from deepinv.transform import Transform
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number, check_tensor


class PerSampleTransform(Transform):
    """deepinv `Transform` whose random parameters differ from image to image.

    Parameters are tensors of shape (n_trans, batch): the output stacks `n_trans` transformed batches. A
    parameter of shape (n_trans,) is one group element for the whole batch, deepinv's own convention. Compound
    transforms (`*`) work as in deepinv.

    Args:
        n_trans: transformed versions per image.
        rng: CPU generator of the random parameters; None draws from PyTorch's default generator, so that
            `torch.manual_seed` fixes them.

    Raises:
        InputError: n_trans below 1, or (when called) an image that is not a finite (batch, channel, height,
            width) tensor in float32 or float64.
    """

    def __init__(self, *, n_trans: int = 1, rng: torch.Generator | None = None) -> None:
        check_number(n_trans, "n_trans", lambda v: v >= 1, "a whole number from 1 up", integer=True)
        super().__init__(n_trans=n_trans, rng=rng)
        self.rng = rng  # deepinv would put an unseeded generator of its own here

    def get_params(self, x: Tensor) -> dict[str, Tensor]:
        """Draw parameters for the batch x."""
        check_image(x)
        return self._get_params(x)

    def transform(self, x: Tensor, **params: Tensor) -> Tensor:
        """Transform x by given parameters."""
        check_image(x)
        return self._transform(x, **params)

    def inverse(self, x: Tensor, batchwise: bool = True, **params: Tensor) -> Tensor:
        """Transform x by the inverse of the given (or of random) parameters.

        With `batchwise=False` x holds `n_trans` stacked batches, and each is inverted by its own parameters.
        """
        inverted = self.invert_params(params or self.get_params(x))
        if not batchwise:
            inverted = {k: _along(p, len(x) // len(p)).reshape(1, -1) for k, p in inverted.items()}
        return self.transform(x, **inverted)

    def per_sample(self, x: Tensor, *params: Tensor) -> tuple[Tensor, ...]:
        """Stack x once per group element and give every image its own parameter.

        Args:
            x: (batch, channel, height, width).
            params: each (n, batch) or (n,).

        Returns:
            x repeated to (n * batch, ...), and each parameter as a vector of n * batch values.
        """
        batch = len(x)
        flat = [_along(torch.as_tensor(p), batch).reshape(-1) for p in params]
        return x.repeat(len(flat[0]) // batch, 1, 1, 1), *flat


def _along(p: Tensor, batch: int) -> Tensor:
    """Parameters as (n, batch): shared ones are expanded, those of a smaller batch are tiled over its stacks."""
    p = p.reshape(-1, 1) if p.ndim < 2 else p
    if batch % p.shape[1]:
        raise InputError(
            f"the transform has parameters for a batch of {p.shape[1]}, but the batch holds {batch} images; draw "
            "them with get_params for this batch."
        )
    return p.repeat(1, batch // p.shape[1])


def check_image(x: Tensor) -> None:
    """Refuse anything but a finite image batch (`InputError`)."""
    check_tensor(x, "x", (None, None, None, None), "(batch, channel, height, width)")
