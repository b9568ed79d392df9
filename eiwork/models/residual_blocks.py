"""A learned operator of residual blocks, at the right scale from its first step."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from eiwork.errors import InputError
from eiwork.fixed_point.capture import is_wrapped

Image = Float[Tensor, "batch channel height width"]

_OUTPUT_GAIN = 0.02
_BRANCH_GAIN = 0.5


class _Block(nn.Module):
    """h + conv(silu(conv(silu(h))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.second = nn.Conv2d(width, width, kernel_size=3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(silu(self.first(silu(h))))


class ResidualBlockCNN(nn.Module):
    """D(x) = (1 - shrinkage) x - N(x), with N made of residual blocks on pixel-unshuffled images.

    As `ResidualCNN`, with two differences that let it learn several times faster inside a DEQ: skip connections, and
    weights that keep the variance of what passes through (He et al., arXiv 1502.01852; PyTorch's default shrinks it in
    every layer, and with it the gradients). Each block's second convolution starts at half of that, the last
    convolution at 2 %, so that D starts close to the shrinkage.

    channels: image channels (1 real, 2 complex). width: hidden channels. blocks: of two convolutions, >= 1.
    shrinkage: in [0, 1). unshuffle: block size; image sides must be multiples of it.
    Raises InputError for values out of range or images of another shape. The design is ours.
    """

    def __init__(
        self, channels: int = 1, width: int = 32, blocks: int = 2, shrinkage: float = 0.1, unshuffle: int = 2
    ) -> None:
        super().__init__()
        if channels < 1 or width < 1 or blocks < 1 or unshuffle < 1:
            raise InputError(
                f"ResidualBlockCNN: channels={channels}, width={width}, blocks={blocks}, unshuffle={unshuffle} must "
                "be >= 1."
            )
        if not 0 <= shrinkage < 1:
            raise InputError(f"ResidualBlockCNN(shrinkage={shrinkage}): must lie in [0, 1); 0.1 is a good start.")
        self.channels, self.shrinkage, self.unshuffle = channels, shrinkage, unshuffle
        outer = channels * unshuffle**2
        self.first = nn.Conv2d(outer, width, kernel_size=3, padding=1)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.last = nn.Conv2d(width, outer, kernel_size=3, padding=1)
        self._initialise()
        # channels_last halves the time of a convolution on the CPU.
        self.to(memory_format=torch.channels_last)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.last.weight.mul_(_OUTPUT_GAIN)
            for block in self.blocks:
                assert isinstance(block, _Block)
                block.second.weight.mul_(_BRANCH_GAIN)

    def forward(self, x: Image) -> Image:
        """Apply D to images (batch, channels, height, width)."""
        if x.shape[1] != self.channels or x.shape[2] % self.unshuffle or x.shape[3] % self.unshuffle:
            raise InputError(
                f"ResidualBlockCNN takes images of {self.channels} channel(s) with sides that are multiples of "
                f"{self.unshuffle}, got shape {tuple(x.shape)}. Complex MRI images have 2 channels "
                "(see real_to_complex)."
            )
        h = pixel_unshuffle(x, self.unshuffle)
        # torch.vmap has no memory formats.
        if not is_wrapped(h):
            h = h.contiguous(memory_format=torch.channels_last)
        h = self.first(h)
        for block in self.blocks:
            h = block(h)
        return (1 - self.shrinkage) * x - pixel_shuffle(self.last(silu(h)), self.unshuffle)
