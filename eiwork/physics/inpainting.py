"""Inpainting: pixels that were not measured."""

import deepinv
import torch

from eiwork.errors import InputError
from eiwork.physics.checks import check_image_size, check_in_place_of, check_number
from eiwork.physics.masks import Array, as_tensor, checked_mask
from eiwork.physics.noise import SeededGaussianNoise
from eiwork.physics.proximal import MaskedProx


def inpainting(
    image_size: int | tuple[int, ...],
    *,
    mask: Array | None = None,
    keep: float | int | None = None,
    noise_sigma: float | int = 0.0,
    seed: int | None = None,
    noise_seed: int | None = None,
) -> "Inpainting":
    """An inpainting operator with the given mask or one random one; `InputError` for values that do not fit.

    image_size: side, or (height, width), in pixels. mask: tensor or array, 1 where a pixel is KEPT, 0 where missing:
    (height, width), (channel, height, width), or (batch, channel or 1, height, width) for one for each sample. keep:
    share of pixels kept by a random mask, in (0, 1], by default 0.5; exactly round(keep * height * width) of them.
    seed: of that mask, by default 0. noise_sigma: standard deviation of the noise on the kept pixels. noise_seed: its
    seed (None: PyTorch's own generator).
    """
    check_in_place_of("mask", mask, keep=keep, seed=seed)
    height, width = check_image_size(image_size)
    if mask is None:
        keep = 0.5 if keep is None else keep
        check_number(keep, "keep", lambda v: 0 < v <= 1, "the share of pixels kept, in (0, 1]")
        kept = round(keep * height * width)
        if kept == 0:
            raise InputError(f"keep = {keep} keeps no pixel of {height} x {width}; raise it.")
        order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed or 0))
        mask = (order.argsort() < kept).view(height, width)
    mask = as_tensor(mask, "mask")
    mask = mask[None] if mask.ndim == 3 else mask
    mask = checked_mask(mask, (height, width), mask.shape[1] if mask.ndim == 4 else 1)
    noise = SeededGaussianNoise(noise_sigma, noise_seed)
    return Inpainting(img_size=tuple(mask.shape[1:]), mask=mask, noise_model=noise, device=mask.device)


class Inpainting(MaskedProx, deepinv.physics.Inpainting):
    """deepinv's `Inpainting` with checked input: y = mask * x, its own adjoint and minimum-norm inverse.

    mask: 1 where measured, (1 or batch, channel, height, width). Other pixels stay zero, without noise.
    """
