"""Losses of the measurements in the units of the image: residuals weighted by (A A^T + r I)^-1."""

from typing import Any

import torch
from deepinv.loss import Loss
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.losses.warm import solve_near


def whitened(r: Tensor, physics: LinearPhysics, regularisation: float) -> Tensor:
    """(A A^T + regularisation I)^-1 r; raises InputError for a physics without `whiten`."""
    whiten = getattr(physics, "whiten", None)
    if whiten is None:
        raise InputError(
            f"A whitened loss needs a physics with `whiten`, which {type(physics).__name__} lacks. The singular "
            "values of MRI and inpainting are 0 or 1 already: leave whitening out."
        )
    return whiten(r, regularisation)


class _Whitened(Loss):
    """<a, (A A^T + r I)^-1 b> / number of pixels."""

    def __init__(self, regularisation: float | int) -> None:
        super().__init__()
        if not regularisation > 0:
            raise InputError(
                f"whitening={regularisation}: must be positive, in units of ||A||^2 = 1; try 0.05, and less for less "
                "noise."
            )
        self.regularisation = float(regularisation)

    def _weigh(self, r: Tensor, physics: LinearPhysics) -> Tensor:
        return whitened(r, physics, self.regularisation)


class WhitenedConsistencyLoss(_Whitened):
    """<A x_net - y, (A A^T + r I)^-1 (A x_net - y)> per pixel: the error of x_net in what y tells of the image.

    Measurement consistency weighs a singular direction of A by s^2, so that a tomographic scan hardly sees the fine
    detail that it has measured; here the weight is s^2 / (s^2 + r), nearly 1 wherever s^2 > r.
    regularisation: r > 0, in units of ||A||^2 = 1. Raises InputError for other values and for a physics without
    `whiten`. The choice is ours.
    """

    def forward(self, x_net: Tensor, y: Tensor, physics: LinearPhysics, **kwargs: Any) -> Float[Tensor, " batch"]:
        """The weighted square of each sample."""
        residual = physics.A(x_net) - y
        return (residual * self._weigh(residual, physics)).flatten(1).sum(dim=1) / x_net[0].numel()


class WhitenedSureLoss(_Whitened):
    """Stein's unbiased estimate of <A x_net - A x, (A A^T + r I)^-1 (A x_net - A x)> per pixel, from y alone.

    With W = (A A^T + r I)^-1 and noise of standard deviation sigma:
    <A f(y) - y, W (A f(y) - y)> - sigma^2 tr W + 2 sigma^2 div_y (W A f(y)). The trace and the divergence share one
    random b: b^T W b and b^T W (A f(y + tau b) - A f(y)) / tau. A DEQ's second solve begins at its first equilibrium.

    sigma: standard deviation of the noise, > 0. regularisation: r > 0, in units of ||A||^2 = 1. tau: size of the
    difference, > 0; a DEQ's tolerance must lie well below tau ||b|| / ||y||. Raises InputError for other values and for
    a physics without `whiten`.
    Source: Eldar, IEEE Trans. Signal Process. 57 (2009), SURE in a range of A; Ramani, Blu & Unser, IEEE Trans. Image
    Process. 17 (2008), the difference; this weight is ours.
    """

    def __init__(self, sigma: float | int, regularisation: float | int, *, tau: float | int = 1e-2) -> None:
        super().__init__(regularisation)
        if not (sigma > 0 and tau > 0):
            raise InputError(f"WhitenedSureLoss(sigma={sigma}, tau={tau}): both must be positive.")
        self.sigma, self.tau = float(sigma), float(tau)

    def forward(
        self, x_net: Tensor, y: Tensor, physics: LinearPhysics, model: nn.Module, **kwargs: Any
    ) -> Float[Tensor, " batch"]:
        """The estimate of each sample; it may be negative."""
        measured = physics.A(x_net)
        residual = measured - y
        b = torch.randn_like(y)
        weighted = self._weigh(b, physics)
        moved = physics.A(solve_near(model, y + self.tau * b, physics, x_net.detach()))
        fit = residual * self._weigh(residual, physics)
        spread = weighted * (2 * (moved - measured) / self.tau - b)
        return (fit + self.sigma**2 * spread).flatten(1).sum(dim=1) / x_net[0].numel()
