"""What the measurements themselves say of a reconstruction: plain, whitened, and unbiased under noise."""

from dataclasses import dataclass

import torch
from deepinv.loss import SureGaussianLoss
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.record import require
from eiwork.losses.terms import Image, Named, Objective, Scalar
from eiwork.models import DEQ


def solve_near(model: nn.Module, y: Tensor, physics: LinearPhysics, near: Image) -> Image:
    """model(y, physics); a DEQ begins at `near`, which its answer forgets within the solver's tolerance."""
    if not isinstance(model, DEQ):
        return model(y, physics)
    with torch.no_grad():
        z0 = model.iterate.state_from(near, y, physics)
    return model(y, physics, z0=z0)


def whitened(r: Tensor, physics: LinearPhysics, regularisation: float | int) -> Tensor:
    """(A A^T + regularisation I)^-1 r; raises InputError for a physics without `whiten`."""
    whiten = getattr(physics, "whiten", None)
    if whiten is None:
        raise InputError(
            f"Fit(whitening=...) needs a physics with `whiten`, which {type(physics).__name__} lacks. The singular "
            "values of MRI and inpainting are 0 or 1 already: leave whitening out."
        )
    return whiten(r, regularisation)


def _check_whitening(loss: "Fit | Sure") -> None:
    advice = "must be positive, in units of ||A||^2 = 1; try 0.05, and less for less noise."
    require(loss, loss.whitening is None or loss.whitening > 0, advice, whitening=loss.whitening)


@dataclass(frozen=True)
class Fit(Objective):
    """||A f(y) - y||^2, the mean over batch and numbers measured: alone it cannot see the null space.

    whitening: r > 0 weighs the residual by (A A^T + r I)^-1, per pixel: a singular direction of A by s^2 / (s^2 + r),
    not s^2. None for no weight. Raises InputError for another r, and in use for a physics without `whiten`. Ours.
    """

    whitening: float | int | None = None

    def __post_init__(self) -> None:
        _check_whitening(self)

    def judge(self, x_hat: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None) -> Named:
        """Compare A x_hat with y."""
        return {"fit": self.distance(x_hat, y, physics)}

    def distance(self, x_hat: Image, y: Tensor, physics: LinearPhysics) -> Scalar:
        """How far A x_hat is from y."""
        if self.whitening is None:
            return nn.functional.mse_loss(physics.A(x_hat), y)
        residual = physics.A(x_hat) - y
        weighted = residual * whitened(residual, physics, self.whitening)
        return (weighted.flatten(1).sum(dim=1) / x_hat[0].numel()).mean()


@dataclass(frozen=True)
class Sure(Objective):
    """Stein's unbiased estimate of what `Fit` would be with the noise-free measurement, from y alone; may be negative.

    With W = (A A^T + r I)^-1: <A f(y) - y, W (A f(y) - y)> - sigma^2 tr W + 2 sigma^2 div_y (W A f(y)). The divergence
    is one random difference f(y + tau b) - f(y): a DEQ's tolerance must lie well below tau ||b|| / ||y||.

    sigma: standard deviation of the noise, > 0. whitening: as in `Fit`. tau: size of the difference, > 0. Raises
    InputError for other values. Source: Metzler et al., arXiv 1805.10531; Eldar, IEEE Trans. Signal Process. 57 (2009);
    in robust equivariant imaging, Chen, Tachella & Davies, CVPR 2022; the weight is ours.
    """

    sigma: float | int
    whitening: float | int | None = None
    tau: float | int = 1e-2

    def __post_init__(self) -> None:
        advice = "both must be positive. Without noise use Fit(), exact."
        require(self, self.sigma > 0 and self.tau > 0, advice, sigma=self.sigma, tau=self.tau)
        _check_whitening(self)

    def judge(self, x_hat: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None) -> Named:
        """The mean of the estimates of the samples."""
        estimate = self._plain if self.whitening is None else self._weighted
        return {"fit": estimate(x_hat, y, physics, model).mean()}

    def distance(self, x_hat: Image, y: Tensor, physics: LinearPhysics) -> Scalar:
        """As `Fit`, noise and all."""
        return Fit(self.whitening).distance(x_hat, y, physics)

    def _plain(self, x_hat: Image, y: Tensor, physics: LinearPhysics, model: nn.Module) -> Float[Tensor, " batch"]:
        loss = SureGaussianLoss(float(self.sigma), tau=float(self.tau))
        estimate = loss(y=y, x_net=x_hat, physics=physics, model=model)
        mask = getattr(physics, "mask", None)
        # deepinv's constant -sigma^2 counts the numbers that were not measured, too.
        return estimate if mask is None else estimate + loss.sigma2 * (1 - mask.mean())

    def _weighted(self, x_hat: Image, y: Tensor, physics: LinearPhysics, model: nn.Module) -> Float[Tensor, " batch"]:
        assert self.whitening is not None
        measured = physics.A(x_hat)
        residual = measured - y
        b = torch.randn_like(y)
        weighted = whitened(b, physics, self.whitening)
        moved = physics.A(solve_near(model, y + self.tau * b, physics, x_hat.detach()))
        fit = residual * whitened(residual, physics, self.whitening)
        spread = weighted * (2 * (moved - measured) / self.tau - b)
        return (fit + self.sigma**2 * spread).flatten(1).sum(dim=1) / x_hat[0].numel()
