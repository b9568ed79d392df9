"""Measurement consistency under noise of known size: Stein's unbiased risk estimate."""

from typing import Any

from deepinv.loss import SureGaussianLoss
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError


class MeasuredSureLoss(SureGaussianLoss):
    """deepinv's SURE for Gaussian noise, counted over the numbers that were measured.

    An unbiased estimate of ||A f(y) - A x||^2 per number of y, from y alone. MRI and inpainting keep the numbers that
    were not measured as zeros without noise, which deepinv's constant -sigma^2 would count: it is corrected here, and
    no gradient changes. The divergence is one random difference f(y + tau b) - f(y): a DEQ's tolerance must lie well
    below tau ||b|| / ||y||, or the difference is that of two solver errors.

    sigma: standard deviation of the noise, > 0. tau: size of the difference, > 0. Raises InputError for other values.
    Source: Metzler et al., arXiv 1805.10531; in robust equivariant imaging, Chen, Tachella & Davies, CVPR 2022.
    """

    def __init__(self, sigma: float | int, *, tau: float | int = 1e-2) -> None:
        if not (sigma > 0 and tau > 0):
            raise InputError(
                f"MeasuredSureLoss(sigma={sigma}, tau={tau}): both must be positive. Without noise, measurement "
                "consistency is exact: use method 'ei'."
            )
        super().__init__(float(sigma), tau=float(tau))

    def forward(
        self, y: Tensor, x_net: Tensor, physics: LinearPhysics, model: nn.Module, **kwargs: Any
    ) -> Float[Tensor, " batch"]:
        """The estimate for each sample; it may be negative."""
        estimate = super().forward(y=y, x_net=x_net, physics=physics, model=model)
        mask = getattr(physics, "mask", None)
        return estimate if mask is None else estimate + self.sigma2 * (1 - mask.mean())
