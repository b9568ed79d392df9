"""What a loss is: an object called with the model, the measurements and the physics, which returns its terms."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from deepinv.loss import Loss as DeepinvLoss
from deepinv.loss import SupLoss
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError, listed

Image = Float[Tensor, "batch channel height width"]
Scalar = Float[Tensor, ""]
Named = dict[str, Scalar]


@dataclass(frozen=True)
class Terms:
    """The weighted terms of a loss by name, as `terms["ei"]` or `terms.ei`, and their sum, `total`."""

    values: Named

    @property
    def total(self) -> Scalar:
        """What is minimised."""
        first, *others = self.values.values()
        return sum(others, start=first)

    def __getitem__(self, name: str) -> Scalar:
        return self.values[name]

    def __getattr__(self, name: str) -> Scalar:
        values: Named = self.__dict__.get("values", {})  # empty while a copy is being made
        if name not in values:
            raise AttributeError(f"This loss has no term {name!r}; it has {listed(values)}.")
        return values[name]


@runtime_checkable
class Loss(Protocol):
    """loss(model, y, physics, x=None) -> Terms, or a tensor: one number. No state between calls."""

    def __call__(self, model: nn.Module, y: Tensor, physics: LinearPhysics, x: Image | None = None) -> Any:
        """Reconstruct y with the model and judge it."""


def refuse_no_samples(y: Tensor) -> None:
    """InputError for a batch without samples: the mean over none is no number, and 0 would look like a good one."""
    if len(y) == 0:
        raise InputError("y holds no samples, and a loss is a mean over samples: leave the empty batch out.")


class Objective:
    """A loss that judges one reconstruction f(y); it may call the model again. InputError for a batch of no samples."""

    needs_x = False  # whether it looks at the ground truth

    def __call__(self, model: nn.Module, y: Tensor, physics: LinearPhysics, x: Image | None = None) -> Terms:
        """The terms for measurements y; x, the ground truth, is looked at by `Supervised` alone."""
        refuse_no_samples(y)
        return Terms(self.judge(model(y, physics), y, physics, model, x))

    def judge(self, x_hat: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None) -> Named:
        """The weighted terms of a reconstruction x_hat that is compared with y."""
        raise NotImplementedError


@dataclass(frozen=True)
class Supervised(Objective):
    """||f(y) - x||^2, the mean over batch and pixels, with the ground truth x: the oracle. InputError without x."""

    needs_x = True

    def judge(self, x_hat: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None) -> Named:
        """Compare with x."""
        if x is None:
            raise InputError("Supervised() compares with the ground truth, and x is None: pass x, or train with EI.")
        return {"supervised": nn.functional.mse_loss(x_hat, x)}


class Adapted:
    """Losses of deepinv, or a function of ours, as a `Loss`; the terms are named after their classes.

    losses: deepinv losses, which are added, or one callable (model, y, physics, x) -> Terms or tensor.
    """

    def __init__(self, losses: Sequence[DeepinvLoss] | Callable[..., Any]) -> None:
        self.losses = losses
        self.needs_x = not callable(losses) and any(isinstance(loss, SupLoss) for loss in losses)

    def __call__(self, model: nn.Module, y: Tensor, physics: LinearPhysics, x: Image | None = None) -> Terms:
        """The terms of all losses; those that change how the model is called (splitting, R2R) do so."""
        refuse_no_samples(y)
        if callable(self.losses):
            found = self.losses(model, y, physics, x)
            if isinstance(found, Tensor) and found.numel() == 1:
                return Terms({"loss": found.reshape(())})
            if not isinstance(found, Terms):
                kind = type(found).__name__
                raise InputError(f"The loss returned {kind}, not Terms or a tensor of one number: mean it.")
            return found
        for loss in self.losses:
            model = loss.adapt_model(model)
        # Models that a loss has adapted draw their random part here, and the loss asks them for it.
        adapted = "update_parameters" in inspect.signature(model.forward).parameters
        x_hat = model(y, physics, update_parameters=True) if adapted else model(y, physics)
        values = [loss(x_net=x_hat, x=x, y=y, physics=physics, model=model).mean() for loss in self.losses]
        names = [type(loss).__name__ for loss in self.losses]
        numbered = [name if names.count(name) == 1 else f"{name}{i}" for i, name in enumerate(names)]
        return Terms(dict(zip(numbered, values, strict=True)))


def as_loss(loss: Any) -> Loss:
    """A loss of ours as it is; a deepinv loss, a list of them, or a function, made into one; InputError for others."""
    if isinstance(loss, Objective | Adapted):
        return loss
    if isinstance(loss, DeepinvLoss):
        return Adapted([loss])
    if isinstance(loss, Sequence) and loss and all(isinstance(part, DeepinvLoss) for part in loss):
        return Adapted(loss)
    if callable(loss) and not isinstance(loss, type | nn.Module):
        return Adapted(loss)
    raise InputError(
        f"loss = {loss!r} cannot be trained with: take one of eiwork.losses, such as EI(Rotation()), a loss of deepinv "
        "or a list of them, or a function (model, y, physics, x) that returns one number."
    )
