"""Training losses, thin over deepinv.loss: which terms a way of training consists of."""

from typing import Literal

from deepinv.loss import EILoss, Loss, MCLoss, SupLoss
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Method = Literal["ei", "mc", "supervised"]
Image = Float[Tensor, "batch channel height width"]


class WeightedLoss(nn.Module):
    """A weighted sum of deepinv losses, called as deepinv calls them.

    terms: name -> (weight, loss). The forward returns the total and the value of each weighted term.
    """

    def __init__(self, terms: dict[str, tuple[float, Loss]]) -> None:
        super().__init__()
        self.weights = {name: weight for name, (weight, _) in terms.items()}
        self.losses = nn.ModuleDict({name: loss for name, (_, loss) in terms.items()})

    def forward(
        self, x_net: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, x: Image | None = None
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """x_net: reconstruction of y. x: ground truth, needed by the supervised term alone (else InputError)."""
        if "supervised" in self.losses and x is None:
            raise InputError(
                "The supervised loss needs the ground truth x; pass it, or train with method 'ei'."
            )
        values = {
            name: self.weights[name] * loss(x_net=x_net, x=x, y=y, physics=physics, model=model)
            for name, loss in self.losses.items()
        }
        return sum(values.values()), values


def build_loss(
    method: Method,
    transform: Transform | None = None,
    *,
    mc_weight: float = 1.0,
    ei_weight: float = 1.0,
    noisy: bool = False,
) -> WeightedLoss:
    """The loss of a way of training.

    "supervised": ||x_net - x||^2. "mc": measurement consistency ||A x_net - y||^2 alone, which cannot see the null
    space. "ei": mc plus equivariance ||f(A T_g x_net) - T_g x_net||^2 (Chen, Tachella & Davies, ICCV 2021),
    where `noisy` adds the physics' noise to the virtual measurement. All are means over batch and pixels.
    Raises InputError where an argument does not apply to the method.
    """
    if method == "ei" and transform is None:
        raise InputError("method='ei' needs a transform (the group), for example eiwork.symmetry.Rotation().")
    if method != "ei" and (transform is not None or noisy):
        raise InputError(f"method={method!r} uses no group: leave out `transform` and `noisy`.")
    if method == "supervised":
        return WeightedLoss({"supervised": (1.0, SupLoss())})
    terms: dict[str, tuple[float, Loss]] = {"mc": (mc_weight, MCLoss())}
    if method == "ei":
        terms["ei"] = (ei_weight, EILoss(transform, apply_noise=noisy))
    elif method != "mc":
        raise InputError(f"method={method!r} is unknown: choose 'ei', 'mc' or 'supervised'.")
    return WeightedLoss(terms)
