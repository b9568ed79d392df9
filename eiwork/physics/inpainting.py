"""Inpainting: pixels that were not measured."""

import deepinv
import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_count, check_image_size, check_noise, check_number, check_tensor
from eiwork.physics.noise import SeededGaussianNoise
from eiwork.physics.proximal import MaskedProx


def inpainting(
    image_size: int | tuple[int, ...],
    *,
    keep: float | int = 0.5,
    noise_sigma: float | int = 0.0,
    seed: int = 0,
    noise_seed: int | None = None,
    channels: int = 1,
) -> "Inpainting":
    """An inpainting operator with one fixed random mask; `InputError` for a value out of range.

    image_size: side, or (height, width), in pixels. keep: share of pixels that is KEPT, in (0, 1]; exactly round(keep *
    height * width) of them, in all `channels` alike. (The mask rate of the equivariant-imaging code of 2021 is the
    share that is dropped; deepinv's is the share that is kept, drawn pixel by pixel.) noise_sigma: standard deviation
    of the noise on the kept pixels. seed, noise_seed: of the mask and of the noise (None: PyTorch's own generator).
    """
    height, width = check_image_size(image_size)
    check_noise(noise_sigma)
    check_number(keep, "keep", lambda v: 0 < v <= 1, "the share of pixels kept, in (0, 1]")
    check_count(channels, "channels", "")
    kept = round(keep * height * width)
    if kept == 0:
        raise InputError(f"keep = {keep} keeps no pixel of {height} x {width}; raise it.")
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(height * width)
    mask[order[:kept]] = 1.0
    mask = mask.view(1, height, width).repeat(channels, 1, 1)
    return Inpainting(mask, SeededGaussianNoise(noise_sigma, noise_seed))


class Inpainting(MaskedProx, deepinv.physics.Inpainting):
    """deepinv's `Inpainting` with checked input: y = mask * x, its own adjoint and minimum-norm inverse.

    mask: (channel, height, width), 1 where measured. Pixels that are not measured stay zero, without noise.
    """

    def __init__(self, mask: Float[Tensor, "channel height width"], noise: SeededGaussianNoise) -> None:
        super().__init__(img_size=tuple(mask.shape), mask=mask, noise_model=noise)

    # Plain tensors in, checked by hand: see eiwork.physics.tomography.
    def A(self, x: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch c h w"]:
        """Zero the pixels of x (batch, channel, height, width) that are not measured; else `InputError`."""
        self._check(x, "x")
        return super().A(x, mask=mask, **kwargs)

    def A_adjoint(self, y: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch c h w"]:
        """The same map: A is symmetric. `InputError` for unusable y."""
        self._check(y, "y")
        return super().A_adjoint(y, mask=mask, **kwargs)

    def A_dagger(self, y: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch c h w"]:
        """Minimum-norm inverse: measured pixels as they are, the others zero. `InputError` for unusable y."""
        self._check(y, "y")
        return super().A_dagger(y, mask=mask, **kwargs)

    def _check(self, value: Tensor, name: str) -> None:
        channels, height, width = self.img_size
        check_tensor(value, name, (None, channels, height, width), f"(batch, {channels}, {height}, {width})")
