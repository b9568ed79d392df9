"""What is asked whether it is a proximal map: trained operators, and controls of known answer."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from eiwork.training.build import build_model
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.models import (
    DEQ,
    GradientStepDenoiser,
    GroupAveraged,
    InputConvexPotential,
    quarter_turns_and_flips,
)
from eiwork.training import Checkpoint, Recipe
from eiwork.training.randomness import seeded
from eiwork_study.methods import title
from eiwork_study.proximal.least_squares import fit_denoiser
from eiwork_study.proximal.measures import RotatedField

Image = Float[Tensor, "n channel height width"]
ROTATION_STRENGTH = 0.1
"""Of the negative control: the size of the antisymmetric part that is put in."""
_RANDOM_GAIN = 10.0


@dataclass(frozen=True)
class Subject:
    """An operator D on images, and the DEQ around it.

    name: short, as its file is called. title: in words. kind: "trained", "comparison", "positive" or "negative". model:
    the DEQ whose iteration has D as its denoiser; that of a control is the base recipe's, and may not converge.
    """

    name: str
    title: str
    kind: str
    model: DEQ

    @property
    def denoiser(self) -> nn.Module:
        """D."""
        return self.model.get_submodule("iterate.denoiser")


def trained(checkpoint: Checkpoint, method: str) -> Subject:
    """The operator of a trained DEQ; raises InputError for a model of another kind."""
    model = checkpoint.model()
    if not isinstance(model, DEQ) or not hasattr(model.iterate, "denoiser"):
        raise InputError(f"{checkpoint.recipe.name!r} is no DEQ with a denoiser: there is no operator to ask about.")
    return Subject(method, title(method), "trained", model.requires_grad_(False))


@dataclass(frozen=True)
class _Control:
    title: str
    kind: str
    build: Callable[[nn.Module, Image, int], nn.Module]


def _gradient_step(network: nn.Module, images: Image, seed: int) -> nn.Module:
    channels = images.shape[1]
    with seeded(seed, "weights"):
        student = GradientStepDenoiser.convolutional(channels)
    return fit_denoiser(student, images, seed=seed)


def _input_convex(network: nn.Module, images: Image, seed: int) -> nn.Module:
    with seeded(seed, "weights"):
        student = InputConvexPotential(images.shape[1])
    return fit_denoiser(student, images, seed=seed)


def _rotated(network: nn.Module, images: Image, seed: int) -> nn.Module:
    channels, height, width = images.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    return RotatedField(_gradient_step(network, images, seed), ROTATION_STRENGTH, (channels, height, width), generator)


def _averaged(network: nn.Module, images: Image, seed: int) -> nn.Module:
    return GroupAveraged(fit_denoiser(network, images, seed=seed), quarter_turns_and_flips())


def _random(network: nn.Module, images: Image, seed: int) -> nn.Module:
    last = network.get_submodule("last")
    assert isinstance(last, nn.Conv2d)
    with torch.no_grad():
        last.weight.mul_(_RANDOM_GAIN)
    return network


_CONTROLS = {
    "initial": _Control("the network before training", "comparison", lambda network, *_: network),
    "random": _Control("random network, its last layer ten times larger", "comparison", _random),
    "denoiser": _Control(
        "the network as a denoiser, least squares",
        "comparison",
        lambda network, images, seed: fit_denoiser(network, images, seed=seed),
    ),
    "averaged": _Control("that denoiser averaged over turns and flips", "comparison", _averaged),
    "input-convex": _Control("gradient of a convex potential, least squares", "positive", _input_convex),
    "gradient-step": _Control("gradient-step denoiser, least squares", "positive", _gradient_step),
    "rotated": _Control(f"gradient-step denoiser plus {ROTATION_STRENGTH} times a rotation", "negative", _rotated),
}


def controls() -> tuple[str, ...]:
    """Names of the controls."""
    return tuple(_CONTROLS)


def control(name: str, recipe: Recipe, images: Image, seed: int) -> Subject:
    """A control in the DEQ of a recipe, built with a seed; those that are denoisers are trained on clean images.

    images: as the recipe's physics takes them. Raises InputError for an unknown name or a recipe without a DEQ of
    residual blocks.
    """
    if name not in _CONTROLS:
        raise InputError(f"There is no control {name!r}; choose from {', '.join(_CONTROLS)}.")
    with seeded(seed, "weights"):
        model = build_model(recipe)
    if not isinstance(model, DEQ) or not hasattr(getattr(model.iterate, "denoiser", None), "last"):
        raise InputError(f"Controls of {recipe.name!r} need a DEQ with a network of its own inside.")
    made = _CONTROLS[name]
    denoiser = made.build(model.get_submodule("iterate.denoiser"), images, seed)
    model.set_submodule("iterate.denoiser", denoiser)
    return Subject(name, made.title, made.kind, model.eval().requires_grad_(False))
