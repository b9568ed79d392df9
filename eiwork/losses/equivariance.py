"""Equivariant imaging: f(A T_g x) = T_g x for the images x that the model itself reconstructs."""

from dataclasses import dataclass, field

import torch
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.record import require
from eiwork.losses.consistency import Fit, Sure, solve_near
from eiwork.losses.terms import Image, Named, Objective, Terms, refuse_no_samples


@dataclass(frozen=True)
class EI(Objective):
    """fit + weight (||f(A T_g x) - T_g x||^2 + cycle ||A T_g^-1 f(A T_g x) - y||^2) with x = f(y); no ground truth.

    group: T_g, one random element for each image of a batch, such as eiwork.symmetry.Rotation() or any transform of
    deepinv. fit: `Fit` or, for robust EI, `Sure`. weight: > 0. noisy: whether the virtual measurement A T_g x has the
    noise of the physics. stop_gradient: T_g x is a constant, not drawn to what the second call reaches easily (arXiv
    2312.11232). cycle: >= 0, ours: the second image, turned back, is compared with y, as `fit` compares. A DEQ's second
    solve begins at T_g x.

    Raises InputError for a group that is no transform, a fit of another kind, or numbers out of range.
    Source: Chen, Tachella & Davies, ICCV 2021, and CVPR 2022 (robust EI).
    """

    group: Transform
    fit: Fit | Sure = field(default_factory=Fit)
    weight: float | int = 1.0
    noisy: bool = False
    stop_gradient: bool = False
    cycle: float | int = 0.0

    def __post_init__(self) -> None:
        advice = "the group is a transform, such as eiwork.symmetry.Rotation() or one of deepinv.transform."
        require(self, isinstance(self.group, Transform), advice, group=self.group)
        require(self, isinstance(self.fit, Fit | Sure), "the data are fitted by Fit() or Sure(sigma).", fit=self.fit)
        advice = "the weight must be positive, the cycle >= 0. Without equivariance the loss is Fit()."
        require(self, self.weight > 0 and not self.cycle < 0, advice, weight=self.weight, cycle=self.cycle)

    def judge(self, x_hat: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None) -> Named:
        """The terms "fit", "ei" and, with a cycle, "cycle"."""
        values = self.fit.judge(x_hat, y, physics, model)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.stop_gradient):
            # Only the way back needs the parameters, and not every transform tells them.
            params = self.group.get_params(x_hat) if self.cycle else {}
            target = self.group.transform(x_hat, **params) if self.cycle else self.group(x_hat)
        virtual = physics(target) if self.noisy else physics.A(target)
        again = solve_near(model, virtual, physics, target.detach())
        values["ei"] = self.weight * nn.functional.mse_loss(again, target)
        if self.cycle:
            back = self.group.inverse(again, **params)
            values["cycle"] = self.weight * self.cycle * self.fit.distance(back, y, physics)
        return values


@dataclass(frozen=True)
class Recorrupted(Objective):
    """The loss of y + alpha w and y - w / alpha in place of y, where w is fresh noise of the scan's own law.

    The model reconstructs from y + alpha w, and every comparison with the measurement is with y - w / alpha: for
    Gaussian noise the two have independent noise, so that nothing can be gained by fitting it.

    loss: what is recorrupted, such as EI(...). alpha: > 0; a small one changes the input less and makes the comparison
    noisier. Raises InputError for another alpha, and in use for a physics without noise.
    Source: Pang et al., CVPR 2021 (recorrupted-to-recorrupted); with equivariance and a cycle, ours.
    """

    loss: Objective
    alpha: float | int = 0.5

    def __post_init__(self) -> None:
        inner = isinstance(self.loss, Objective) and not isinstance(self.loss, Recorrupted)
        require(self, inner, "takes a loss of measurements, such as EI(Rotation()).", loss=self.loss)
        require(self, self.alpha > 0, "must be positive; 0.5 is a good start.", alpha=self.alpha)

    @property
    def needs_x(self) -> bool:  # type: ignore[override]
        """Whether the loss inside looks at the ground truth."""
        return self.loss.needs_x

    def __call__(self, model: nn.Module, y: Tensor, physics: LinearPhysics, x: Image | None = None) -> Terms:
        """The terms of the loss inside, for one fresh pair."""
        refuse_no_samples(y)
        noise = physics.noise(torch.zeros_like(y))
        if not bool(noise.any()):
            raise InputError(
                "Recorrupted needs the scan's noise, and this physics adds none: use the loss inside it, exact then."
            )
        x_hat = model(y + self.alpha * noise, physics)
        return Terms(self.loss.judge(x_hat, y - noise / self.alpha, physics, model, x))
