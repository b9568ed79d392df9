"""Learned operators D that sit inside the iterations."""

from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from eiwork.errors import InputError
from eiwork.fixed_point.capture import is_wrapped

Image = Float[Tensor, "batch channel height width"]


class ResidualCNN(nn.Module):
    """D(x) = (1 - shrinkage) x - N(x), with N a plain convolutional network on pixel-unshuffled images.

    The shrinkage pulls D below the identity, so at initialisation (N close to 0) the iteration is a
    contraction in the null space of A too and its fixed point is unique. Images are unshuffled by `unshuffle`
    (each block of pixels becomes channels): the receptive field grows and the network is several times
    cheaper on a CPU.

    channels: image channels (1 real, 2 complex). width: hidden channels. depth: convolutions, >= 2.
    shrinkage: in [0, 1). unshuffle: block size; image sides must be multiples of it.
    Raises InputError for values out of range or images of another shape. The design is ours.
    """

    def __init__(
        self, channels: int = 1, width: int = 32, depth: int = 5, shrinkage: float = 0.1, unshuffle: int = 2
    ) -> None:
        super().__init__()
        if channels < 1 or width < 1 or unshuffle < 1:
            raise InputError(f"ResidualCNN: channels={channels}, width={width}, unshuffle={unshuffle} must be >= 1.")
        if depth < 2:
            raise InputError(f"ResidualCNN(depth={depth}): at least two convolutions are needed.")
        if not 0 <= shrinkage < 1:
            raise InputError(f"ResidualCNN(shrinkage={shrinkage}): must lie in [0, 1); 0.1 is a good start.")
        self.channels, self.shrinkage, self.unshuffle = channels, shrinkage, unshuffle
        outer = channels * unshuffle**2
        widths = [outer, *[width] * (depth - 1), outer]
        convolutions = [nn.Conv2d(a, b, kernel_size=3, padding=1) for a, b in pairwise(widths)]
        hidden = [layer for convolution in convolutions[:-1] for layer in (convolution, nn.SiLU())]
        self.network = nn.Sequential(*hidden, convolutions[-1])
        # Start close to the scaled identity: the untrained fixed point is a mild Tikhonov solution.
        nn.init.normal_(convolutions[-1].weight, std=1e-3)
        nn.init.zeros_(cast(Tensor, convolutions[-1].bias))
        # channels_last halves the time of a convolution on the CPU.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Image) -> Image:
        """Apply D to images (batch, channels, height, width)."""
        if x.shape[1] != self.channels or x.shape[2] % self.unshuffle or x.shape[3] % self.unshuffle:
            raise InputError(
                f"ResidualCNN takes images of {self.channels} channel(s) with sides that are multiples of "
                f"{self.unshuffle}, got shape {tuple(x.shape)}. Complex MRI images have 2 channels "
                f"(see real_to_complex)."
            )
        blocks = pixel_unshuffle(x, self.unshuffle)
        # torch.vmap has no memory formats.
        if not is_wrapped(blocks):
            blocks = blocks.contiguous(memory_format=torch.channels_last)
        return (1 - self.shrinkage) * x - pixel_shuffle(self.network(blocks), self.unshuffle)
