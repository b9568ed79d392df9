"""Counting evaluations the same way for every library: at the network, which each evaluation of F calls once."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Evaluations:
    """Evaluations of F (first ones and tracked ones included) and backward passes through F.

    A backward pass is a product of a vector with the Jacobian of F, in the adjoint solve or for the weights at
    its end.
    """

    forward: int = 0
    backward: int = 0

    @property
    def total(self) -> int:
        """Forward and backward."""
        return self.forward + self.backward

    def reset(self) -> None:
        """Count from zero."""
        self.forward = self.backward = 0


class CountedDenoiser(nn.Module):
    """D as it is, with a count; takes and ignores the noise level that deepinv's priors pass on."""

    def __init__(self, denoiser: nn.Module, evaluations: Evaluations) -> None:
        super().__init__()
        self.denoiser, self.evaluations = denoiser, evaluations

    def forward(self, x: Tensor, sigma: object = None) -> Tensor:
        """D(x)."""
        self.evaluations.forward += 1
        return _CountBackward.apply(self.denoiser(x), self.evaluations)


class _CountBackward(torch.autograd.Function):
    """The identity; counts the backward passes through it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, evaluations: Evaluations) -> Tensor:
        ctx.evaluations = evaluations
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.evaluations.backward += 1
        return gradient, None
