"""Inpainting: pixels that were not measured."""

import deepinv
import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_image_size, check_number, check_tensor
from eiwork.physics.noise import SeededGaussianNoise
from eiwork.physics.proximal import MaskedProx


def inpainting(
    image_size: int | tuple[int, ...],
    *,
    keep: float | int = 0.5,
    noise_sigma: float | int = 0.0,
    seed: int = 0,
    noise_seed: int | None = None,
) -> "Inpainting":
    """An inpainting operator with one fixed random mask; `InputError` for a value out of range.

    image_size: side, or (height, width), in pixels. keep: share of pixels that is KEPT, in (0, 1]; exactly round(keep *
    height * width) of them. noise_sigma: standard deviation of the noise on the kept pixels. seed, noise_seed: of the
    mask and of the noise (None: PyTorch's own generator).
    """
    height, width = check_image_size(image_size)
    check_number(keep, "keep", lambda v: 0 < v <= 1, "the share of pixels kept, in (0, 1]")
    kept = round(keep * height * width)
    if kept == 0:
        raise InputError(f"keep = {keep} keeps no pixel of {height} x {width}; raise it.")
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(height * width)
    mask[order[:kept]] = 1.0
    shape, noise = (1, height, width), SeededGaussianNoise(noise_sigma, noise_seed)
    return Inpainting(img_size=shape, mask=mask.view(shape), noise_model=noise)


class Inpainting(MaskedProx, deepinv.physics.Inpainting):
    """deepinv's `Inpainting` with checked input: y = mask * x, its own adjoint and minimum-norm inverse.

    mask: (channel, height, width), 1 where measured. Pixels that are not measured stay zero, without noise.
    """

    def check(self, value: Tensor, name: str) -> None:
        """Refuse (`InputError`) anything but (batch, channel, height, width)."""
        channels, height, width = self.img_size
        check_tensor(value, name, (None, channels, height, width), f"(batch, {channels}, {height}, {width})")
