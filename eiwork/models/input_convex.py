"""Denoisers that are proximal maps by construction: gradients of convex potentials."""

import math
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_unshuffle, softplus

from eiwork.errors import InputError
from eiwork.models.gradient_step import gradient_of

Image = Float[Tensor, "batch channel height width"]


class InputConvexPotential(nn.Module):
    """D = grad psi with psi strongly convex: a learned proximal network, the proximal map of some prior whatever theta.

    psi(x) = (strong_convexity + c) ||x||^2 / 2 + sum over pixels and channels of w z_L, where
    z_1 = s(H_1 x + b_1), z_{l+1} = s(W_l z_l + H_{l+1} x + b_{l+1}) are convolutions on pixel-unshuffled images, s is
    softplus, and w, W_l, c are not negative: sums and convex increasing functions of convex functions are convex
    (arXiv 1609.07152). Then J_D is symmetric with eigenvalues >= strong_convexity, and D is invertible. Source: Fang,
    Buchanan & Sulam, arXiv 2310.14344; the learnt quadratic term and the start near a shrinkage are ours.

    channels, width, depth, unshuffle: as in `ResidualCNN`; depth counts the layers z_1 ... z_L, >= 1. shrinkage: in
    [0, 1); D starts near (1 - shrinkage) x. strong_convexity: in (0, 1 - shrinkage). sharpness: beta of softplus, > 0.
    gain: every weight w at the start, > 0; a larger one learns faster and starts further from the shrinkage. Raises
    InputError for values out of range.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 32,
        depth: int = 4,
        unshuffle: int = 2,
        shrinkage: float | int = 0.1,
        strong_convexity: float | int = 0.05,
        sharpness: float | int = 10.0,
        gain: float | int = 1e-3,
    ) -> None:
        super().__init__()
        if min(channels, width, depth, unshuffle) < 1:
            raise InputError(
                f"InputConvexPotential: channels={channels}, width={width}, depth={depth}, unshuffle={unshuffle} must "
                "be >= 1."
            )
        if not 0 <= shrinkage < 1:
            raise InputError(f"InputConvexPotential(shrinkage={shrinkage}): must lie in [0, 1); 0.1 is a good start.")
        if not 0 < strong_convexity < 1 - shrinkage:
            raise InputError(
                f"InputConvexPotential(strong_convexity={strong_convexity}): must lie in (0, {1 - shrinkage:g}), below "
                "1 - shrinkage; 0.05 leaves the network room."
            )
        if not sharpness > 0 or not gain > 0:
            raise InputError(
                f"InputConvexPotential(sharpness={sharpness}, gain={gain}): both must be positive, as 10.0 and 1e-3."
            )
        self.channels, self.unshuffle = channels, unshuffle
        self.strong_convexity, self.sharpness = strong_convexity, sharpness
        outer = channels * unshuffle**2
        self.from_image = nn.ModuleList(nn.Conv2d(outer, width, kernel_size=3, padding=1) for _ in range(depth))
        # Non-negative weights are softplus of what is learnt; the start makes each row sum to about one.
        raw = math.log(math.expm1(1 / (9 * width)))
        self.between = nn.ParameterList(raw + 0.1 * torch.randn(width, width, 3, 3) for _ in range(depth - 1))
        self.readout = nn.Parameter(torch.full((width,), math.log(math.expm1(gain))))
        self.quadratic = nn.Parameter(torch.tensor(math.log(math.expm1(1 - shrinkage - strong_convexity))))

    def psi(self, x: Image) -> Float[Tensor, " batch"]:
        """The convex potential, one number per image."""
        if x.shape[1] != self.channels or x.shape[2] % self.unshuffle or x.shape[3] % self.unshuffle:
            raise InputError(
                f"InputConvexPotential takes images of {self.channels} channel(s) with sides that are multiples of "
                f"{self.unshuffle}, got shape {tuple(x.shape)}."
            )
        blocks = pixel_unshuffle(x, self.unshuffle)
        z = self._increase(self.from_image[0](blocks))
        for weight, convolution in zip(self.between, self.from_image[1:], strict=True):
            z = self._increase(conv2d(z, softplus(cast(Tensor, weight)), padding=1) + convolution(blocks))
        curvature = self.strong_convexity + softplus(self.quadratic)
        features = (softplus(self.readout)[:, None, None] * z).flatten(1).sum(dim=1)
        return curvature * x.flatten(1).square().sum(dim=1) / 2 + features

    def forward(self, x: Image) -> Image:
        """Apply D = grad psi to images (batch, channels, height, width)."""
        return gradient_of(self.psi, x)

    def _increase(self, z: Tensor) -> Tensor:
        return softplus(z, beta=self.sharpness)
