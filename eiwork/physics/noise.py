"""Gaussian measurement noise of known standard deviation."""

import torch
from deepinv.physics import GaussianNoise
from torch import Tensor

from eiwork.physics.checks import check_number


class SeededGaussianNoise(GaussianNoise):
    """deepinv's Gaussian noise whose generator stays on the CPU: one seed gives one noise on every device.

    sigma: standard deviation per real number measured (`InputError` below 0). seed: of the noise's own generator; None
    draws from PyTorch's default generator of the measurement's device, so that `torch.manual_seed` fixes the noise.
    """

    def __init__(self, sigma: float | int, seed: int | None = None) -> None:
        check_number(sigma, "noise_sigma", lambda v: v >= 0, "a standard deviation, zero or positive")
        super().__init__(sigma=float(sigma), rng=None if seed is None else torch.Generator().manual_seed(seed))

    def randn_like(self, input: Tensor, seed: int | None = None) -> Tensor:
        """Standard normal values of the shape, dtype and device of `input`; `seed` restarts the generator."""
        self.rng_manual_seed(seed)
        if self.rng is None:
            return torch.randn_like(input)
        return torch.randn(input.shape, generator=self.rng, dtype=input.dtype).to(input.device)
