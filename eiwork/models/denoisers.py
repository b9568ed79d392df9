"""Learned operators D that sit inside the iterations: networks below a shrinkage."""

import inspect
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from eiwork.errors import InputError
from eiwork.fixed_point.capture import is_wrapped
from eiwork.fixed_point.record import require

Image = Float[Tensor, "batch channel height width"]


def check_settings(denoiser: nn.Module, shrinkage: float | int, **sizes: int) -> None:
    """InputError for sizes below 1 and a shrinkage outside [0, 1)."""
    for size, value in sizes.items():
        require(denoiser, value >= 1, "must be a whole number of at least 1.", **{size: value})
    require(denoiser, 0 <= shrinkage < 1, "must lie in [0, 1); 0.1 is a good start.", shrinkage=shrinkage)


def check_image(denoiser: nn.Module, x: Tensor, channels: int, unshuffle: int) -> None:
    """InputError for images that the denoiser was not made for."""
    if x.shape[1] != channels or x.shape[2] % unshuffle or x.shape[3] % unshuffle:
        raise InputError(
            f"{type(denoiser).__name__} takes images of {channels} channel(s) with sides that are multiples of "
            f"{unshuffle}, got shape {tuple(x.shape)}. Complex MRI images have 2 channels (see real_to_complex)."
        )


def log_parameter(owner: nn.Module, advice: str, **value: float | int) -> nn.Parameter:
    """The logarithm of one named positive number (else InputError) as a parameter: no update makes it negative."""
    (number,) = value.values()
    require(owner, 0 < number < float("inf"), f"must be positive and finite; {advice}.", **value)
    return nn.Parameter(torch.tensor(float(number)).log())


def of_images(denoiser: nn.Module) -> nn.Module:
    """The denoiser itself; InputError for one that needs a noise level beside the image."""
    sigma = inspect.signature(getattr(denoiser, "forward", denoiser)).parameters.get("sigma")
    if sigma is not None and sigma.default is sigma.empty:
        advice = "Give it one: NoiseLevel(denoiser, sigma=0.05), with learn=True for a learnt one."
        raise InputError(f"{type(denoiser).__name__} takes a noise level `sigma` beside the image. {advice}")
    return denoiser


class NoiseLevel(nn.Module):
    """D(x) = denoiser(x, sigma): a denoiser that takes a noise level, such as deepinv's DRUNet, at one of them.

    sigma: standard deviation > 0 (else InputError) in units of the image. learn: whether its logarithm is trained.
    """

    def __init__(self, denoiser: nn.Module, sigma: float | int = 0.05, *, learn: bool = False) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.log_sigma = log_parameter(self, "0.05 suits images in [0, 1]", sigma=sigma).requires_grad_(learn)

    @property
    def sigma(self) -> Float[Tensor, ""]:
        """The current noise level > 0."""
        return self.log_sigma.exp()

    def forward(self, x: Image) -> Image:
        """Apply D to images (batch, channels, height, width)."""
        return self.denoiser(x, self.sigma)


def to_blocks(x: Image, size: int) -> Tensor:
    """`pixel_unshuffle`, which torch does not do to no image at all."""
    batch, channels, height, width = x.shape
    return pixel_unshuffle(x, size) if batch else x.reshape(0, channels * size**2, height // size, width // size)


class _Residual(nn.Module):
    """D(x) = (1 - shrinkage) x - N(x), with N = `_network` on images whose blocks of pixels are channels.

    With N close to 0, the iteration is a contraction in the null space of A too, thanks to the shrinkage.
    """

    def __init__(self, channels: int, shrinkage: float | int, unshuffle: int) -> None:
        super().__init__()
        self.channels, self.shrinkage, self.unshuffle = channels, shrinkage, unshuffle

    def _network(self, blocks: Image) -> Image:
        raise NotImplementedError

    def forward(self, x: Image) -> Image:
        """Apply D to images (batch, channels, height, width)."""
        check_image(self, x, self.channels, self.unshuffle)
        blocks = to_blocks(x, self.unshuffle)
        # channels_last halves the time of a convolution on the CPU; torch.vmap has no memory formats.
        if not is_wrapped(blocks):
            blocks = blocks.contiguous(memory_format=torch.channels_last)
        learnt = self._network(blocks)
        return (1 - self.shrinkage) * x - (pixel_shuffle(learnt, self.unshuffle) if len(x) else learnt.reshape(x.shape))


class ResidualCNN(_Residual):
    """D(x) = (1 - shrinkage) x - N(x), with N a plain convolutional network on pixel-unshuffled images.

    channels: image channels (1 real, 2 complex). width: hidden channels. depth: convolutions, >= 2.
    shrinkage: in [0, 1); D starts close to (1 - shrinkage) x. unshuffle: block size; image sides must be multiples of
    it. Raises InputError for values out of range or images of another shape. The design is ours.
    """

    def __init__(
        self, channels: int = 1, width: int = 32, depth: int = 5, shrinkage: float | int = 0.1, unshuffle: int = 2
    ) -> None:
        check_settings(self, shrinkage, channels=channels, width=width, unshuffle=unshuffle)
        require(self, depth >= 2, "at least two convolutions are needed.", depth=depth)
        super().__init__(channels, shrinkage, unshuffle)
        outer = channels * unshuffle**2
        widths = [outer, *[width] * (depth - 1), outer]
        convolutions = [nn.Conv2d(a, b, kernel_size=3, padding=1) for a, b in pairwise(widths)]
        hidden = [layer for convolution in convolutions[:-1] for layer in (convolution, nn.SiLU())]
        self.network = nn.Sequential(*hidden, convolutions[-1])
        # Start close to the scaled identity: the untrained fixed point is a mild Tikhonov solution.
        nn.init.normal_(convolutions[-1].weight, std=1e-3)
        nn.init.zeros_(cast(Tensor, convolutions[-1].bias))
        self.to(memory_format=torch.channels_last)

    def _network(self, blocks: Image) -> Image:
        return self.network(blocks)


class _Block(nn.Module):
    """h + conv(silu(conv(silu(h))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.second = nn.Conv2d(width, width, kernel_size=3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(silu(self.first(silu(h))))


class ResidualBlockCNN(_Residual):
    """D(x) = (1 - shrinkage) x - N(x), with N made of residual blocks on pixel-unshuffled images.

    It starts with weights that keep the variance of what passes through (He et al., arXiv 1502.01852); each block's
    second convolution at half of that, the last convolution at 2 %, so that D starts close to the shrinkage.

    blocks: of two convolutions, >= 1. The rest, and what is raised, as in `ResidualCNN`. The design is ours.
    """

    def __init__(
        self, channels: int = 1, width: int = 32, blocks: int = 2, shrinkage: float | int = 0.1, unshuffle: int = 2
    ) -> None:
        check_settings(self, shrinkage, channels=channels, width=width, blocks=blocks, unshuffle=unshuffle)
        super().__init__(channels, shrinkage, unshuffle)
        outer = channels * unshuffle**2
        self.first = nn.Conv2d(outer, width, kernel_size=3, padding=1)
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, outer, kernel_size=3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, module.bias))
        with torch.no_grad():
            self.last.weight.mul_(0.02)
            for block in self.blocks:
                cast(_Block, block).second.weight.mul_(0.5)
        self.to(memory_format=torch.channels_last)

    def _network(self, blocks: Image) -> Image:
        return self.last(silu(self.blocks(self.first(blocks))))
