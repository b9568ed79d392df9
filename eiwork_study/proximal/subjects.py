"""What is asked whether it is a proximal map: trained operators, and controls of known answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import CheckpointError, ConvergenceError, InputError, choices
from eiwork.models import DEQ, GradientStepDenoiser, InputConvexPotential
from eiwork.results.runs import title_of
from eiwork.training import Checkpoint, Recipe, load_checkpoint, load_shipped, shipped_checkpoints
from eiwork.training.measurements import clean_images
from eiwork.training.randomness import STREAMS, batch_indices, seeded
from eiwork_study.problems import base_recipe
from eiwork_study.proximal.averaged import GroupAveraged, quarter_turns_and_flips

# The stream that the committed controls were drawn from.
STREAMS.setdefault("pretraining", 6)
Image = Float[Tensor, "n channel height width"]
ROTATION_STRENGTH = 0.1
"""Of the negative control: the size of the antisymmetric part that is put in."""
_RANDOM_GAIN = 10.0
# Label -> (title, end of the name of the model that the package has of seed 0, if any).
_TRAINED: dict[str, tuple[str, str]] = {
    "supervised": (title_of("supervised"), "supervised-deq"),
    "ei": (title_of("ei"), "ei-deq"),
    "ei+stopped-gradient": (title_of("ei", None, "stopped-gradient"), ""),
    "ei-cycle": (title_of("ei-cycle"), "ei-cycle-deq"),
    "ei-jfb": (title_of("ei-jfb"), ""),
    "mc": (title_of("mc"), ""),
}


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


class RotatedField(nn.Module):
    """D(x) + s R x, with R antisymmetric and orthogonal: values of the image turned in pairs by 90 degrees.

    R pairs the values at random: of a pair (a, b) it makes (-b, a). So (J - J^T) / 2 gains s R, of Frobenius norm
    s sqrt(n) and spectral norm s. denoiser: D. strength: s. image_shape: (channel, height, width) with an even number
    of values, else InputError. generator: of the pairing.
    """

    def __init__(
        self, denoiser: nn.Module, strength: float, image_shape: tuple[int, int, int], generator: torch.Generator
    ) -> None:
        super().__init__()
        size = torch.Size(image_shape).numel()
        if size % 2:
            raise InputError(f"RotatedField pairs the values of an image; {image_shape} has an odd number of them.")
        self.denoiser, self.strength = denoiser, strength
        first, second = torch.randperm(size, generator=generator).chunk(2)
        partner, sign = torch.empty(size, dtype=torch.long), torch.empty(size)
        partner[first], partner[second] = second, first
        sign[first], sign[second] = -1.0, 1.0
        self.partner: Tensor
        self.sign: Tensor
        self.register_buffer("partner", partner)
        self.register_buffer("sign", sign)

    def forward(self, x: Image) -> Image:
        """Apply the spoiled operator."""
        turned = (x.flatten(1)[:, self.partner] * self.sign.to(x)).view_as(x)
        return self.denoiser(x) + self.strength * turned


def fit_denoiser(
    network: nn.Module, images: Image, *, seed: int, noise: float = 0.1, steps: int = 400, batch_size: int = 8
) -> nn.Module:
    """Train a network on ||D(x + n) - x||^2, n white of a standard deviation uniform in [0, noise]; returns it.

    The least-squares denoiser of one noise level is the gradient of a potential, and a proximal map (Gribonval, IEEE
    Transactions on Signal Processing 59, 2011): a network that approximates it has reason to be near one. Adam with a
    cosine schedule, gradients clipped to norm 1. Everything random follows from the seed.
    Raises InputError for settings out of range, ConvergenceError if the loss is not finite.
    """
    if steps < 1 or batch_size < 1 or not noise > 0:
        raise InputError(f"fit_denoiser(steps={steps}, batch_size={batch_size}, noise={noise}): all must be positive.")
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        x = images[batch_indices(seed, step, len(images), batch_size, "pretraining")]
        with seeded(seed, "pretraining", step):
            noisy = x + noise * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x)
        optimiser.zero_grad(set_to_none=True)
        loss = (network(noisy) - x).square().mean()
        if not bool(loss.isfinite()):
            raise ConvergenceError(f"The denoiser's loss is {float(loss.detach())} at step {step}: lower the noise.")
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network


def _fitted(student: Callable[[int], nn.Module]) -> Callable[[nn.Module, Image, int], nn.Module]:
    def build(network: nn.Module, images: Image, seed: int) -> nn.Module:
        with seeded(seed, "weights"):
            made = student(images.shape[1])
        return fit_denoiser(made, images, seed=seed)

    return build


_gradient_step = _fitted(GradientStepDenoiser.convolutional)


def _rotated(network: nn.Module, images: Image, seed: int) -> nn.Module:
    channels, height, width = images.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    return RotatedField(_gradient_step(network, images, seed), ROTATION_STRENGTH, (channels, height, width), generator)


def _random(network: nn.Module, images: Image, seed: int) -> nn.Module:
    last = network.get_submodule("last")
    assert isinstance(last, nn.Conv2d)
    with torch.no_grad():
        last.weight.mul_(_RANDOM_GAIN)
    return network


@dataclass(frozen=True)
class _Control:
    title: str
    kind: str
    build: Callable[[nn.Module, Image, int], nn.Module]


_CONTROLS = {
    "initial": _Control("the network before training", "comparison", lambda network, *_: network),
    "random": _Control("random network, its last layer ten times larger", "comparison", _random),
    "denoiser": _Control(
        "the network as a denoiser, least squares",
        "comparison",
        lambda network, images, seed: fit_denoiser(network, images, seed=seed),
    ),
    "averaged": _Control(
        "that denoiser averaged over turns and flips",
        "comparison",
        lambda network, images, seed: GroupAveraged(
            fit_denoiser(network, images, seed=seed), quarter_turns_and_flips()
        ),
    ),
    "input-convex": _Control(
        "gradient of a convex potential, least squares", "positive", _fitted(InputConvexPotential)
    ),
    "gradient-step": _Control("gradient-step denoiser, least squares", "positive", _gradient_step),
    "rotated": _Control(f"gradient-step denoiser plus {ROTATION_STRENGTH} times a rotation", "negative", _rotated),
}
SUBJECTS = (*_TRAINED, *_CONTROLS)


def control(name: str, recipe: Recipe, images: Image, seed: int) -> Subject:
    """A control in the DEQ of a recipe, built with a seed; those that are denoisers are trained on clean images.

    images: as the recipe's physics takes them. Raises InputError for an unknown name or a recipe without a DEQ of
    residual blocks.
    """
    if name not in _CONTROLS:
        raise InputError(f"There is no control {name!r}: {choices(name, _CONTROLS, 'SUBJECTS')}.")
    model = recipe.with_overrides(seed=seed).build_model()
    if not isinstance(model, DEQ) or not hasattr(getattr(model.iterate, "denoiser", None), "last"):
        raise InputError(f"Controls of {recipe.name!r} need a DEQ with a network of its own inside.")
    made = _CONTROLS[name]
    model.set_submodule("iterate.denoiser", made.build(model.get_submodule("iterate.denoiser"), images, seed))
    return Subject(name, made.title, made.kind, model.eval().requires_grad_(False))


def trained(checkpoint: Checkpoint, name: str) -> Subject:
    """The operator of a trained DEQ; raises InputError for a model of another kind."""
    model = checkpoint.model()
    if not isinstance(model, DEQ) or not hasattr(model.iterate, "denoiser"):
        raise InputError(f"{checkpoint.recipe.name!r} is no DEQ with a denoiser: there is no operator to ask about.")
    title = _TRAINED[name][0] if name in _TRAINED else name
    return Subject(name, title, "trained", model.requires_grad_(False))


def subject_of(problem: str, name: str, seed: int, models: Path | None) -> Subject | None:
    """A subject by name and seed: a control, or a model in models/PROBLEM, or of the package (seed 0); None without.

    Raises InputError for an unknown subject or problem, CheckpointError for a model of another problem or seed.
    """
    recipe = base_recipe(problem)
    if name in _CONTROLS:
        return control(name, recipe, clean_images(recipe), seed)
    check_subjects([name])
    shipped = f"{problem}-{_TRAINED[name][1]}"
    if models is not None and (path := models / problem / f"{name}-{seed}.safetensors").exists():
        checkpoint = load_checkpoint(path)
    elif seed == 0 and shipped in shipped_checkpoints():
        path, checkpoint = Path(shipped), load_shipped(shipped)
    else:
        return None
    if checkpoint.recipe.seed != seed or checkpoint.recipe.physics != recipe.physics:
        raise CheckpointError(f"{path} is a model of another seed or problem: {checkpoint.recipe.name}.")
    return trained(checkpoint, name)


def check_subjects(names: Sequence[str]) -> None:
    """Raise InputError for a name that is no subject."""
    if unknown := [name for name in names if name not in SUBJECTS]:
        told = choices(unknown[0], SUBJECTS, "eiwork_study.proximal.subjects.SUBJECTS")
        raise InputError(f"There is no subject {unknown[0]!r}: {told}.")
