"""A direct test of the proximal property: does D(z) minimise ||x - z||^2 / 2 + phi(x)?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.prior import ImpliedPrior
from eiwork.analysis.quadrature import inner
from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]
PerRival = Float[Tensor, "batch rivals"]


@dataclass(frozen=True)
class MinimiserGaps:
    """How much higher the objective ||x - z||^2 / 2 + phi(x) is at rivals x' = D(z') than at x = D(z).

    gap: objective at x' minus objective at x: >= 0 for all rivals if D(z) is the minimiser among them.
    relative: gap over ||z' - z||^2 / 2, between 0 and 1 for the proximal map of a convex prior.
    beaten: share of rivals with a lower objective, per image, beyond the rounding that `slack` allows.
    """

    gap: PerRival
    relative: PerRival
    beaten: Float[Tensor, " batch"]


@torch.no_grad()
def minimiser_gaps(prior: ImpliedPrior, z: Image, rivals: Sequence[Tensor], *, slack: float = 1e-6) -> MinimiserGaps:
    """Compare D(z) with D(z') for every rival z' in the objective whose minimiser D(z) should be.

    The gap is psi(z) - psi(z') - <z - z', D(z')>: the Bregman divergence of psi, never negative exactly if psi is
    convex and D its gradient. Both values of psi are those of `prior.psi`, a single function, so a field that is no
    gradient shows too. rivals: images like z, each compared with its z, such as `perturbations(...)` and z.roll(1, 0).
    slack: a rival counts as better below -slack ||z' - z||^2 / 2, >= 0.
    """
    if not rivals:
        raise InputError("The test needs rivals: pass perturbations(z, ...) and other images.")
    own = prior.psi(z).double()
    gaps, scales = [], []
    for rival in rivals:
        gaps.append(own - prior.psi(rival).double() - inner(z - rival, prior.denoiser(rival)))
        scales.append(inner(rival - z, rival - z) / 2)
    gap, scale = torch.stack(gaps, dim=1), torch.stack(scales, dim=1)
    return MinimiserGaps(gap, gap / scale, (gap < -slack * scale).double().mean(dim=1))


def perturbations(z: Image, count: int, sizes: Sequence[float], generator: torch.Generator) -> list[Tensor]:
    """`count` noisy versions of z: white and smooth noise in turn, of root mean square `sizes`, in turn.

    Smooth noise keeps the lowest eighth of the frequencies along each axis. Raises InputError without a size.
    """
    if not sizes:
        raise InputError("perturbations needs at least one size, such as 0.05.")
    found = []
    for index in range(count):
        noise = torch.randn(z.shape, generator=generator, device=generator.device).to(z)
        if index % 2:
            noise = _smooth(noise)
        scale = sizes[(index // 2) % len(sizes)] * math.sqrt(z[0].numel())
        found.append(z + noise * (scale / noise.flatten(1).norm(dim=1)).view(-1, 1, 1, 1))
    return found


def _smooth(noise: Image) -> Image:
    spectrum = torch.fft.fft2(noise)
    for dim in (-2, -1):
        frequency = torch.fft.fftfreq(noise.shape[dim], device=noise.device).abs()
        keep = (frequency <= 1 / 16).to(noise.dtype)
        spectrum = spectrum * (keep[:, None] if dim == -2 else keep)
    return torch.fft.ifft2(spectrum).real
