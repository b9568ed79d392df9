"""The gradient field nearest to a trained denoiser, by fitting a denoiser that is one by construction."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.analysis.quadrature import in_chunks, inner
from eiwork.errors import ConvergenceError, InputError

ImageMap = Callable[[Tensor], Tensor]
Image = Float[Tensor, "n channel height width"]
Vector = Float[Tensor, " tests"]


@dataclass(frozen=True)
class GradientFieldFit:
    """A gradient field S fitted to D.

    field: S, a trained copy of the student. losses: mean square of S - D over ||D - c x||^2, step by step.
    error: ||S(x) - D(x)|| / ||D(x)|| per test image. learnt: the same difference over ||D(x) - c x||, c the best
    multiple of each image: the share of what D learnt that S does not reproduce.
    """

    field: nn.Module
    losses: list[float]
    error: Vector
    learnt: Vector


def fit_gradient_field(
    denoiser: ImageMap,
    student: nn.Module,
    images: Image,
    test_images: Float[Tensor, "tests channel height width"],
    *,
    generator: torch.Generator,
    steps: int = 300,
    batch_size: int = 8,
    learning_rate: float = 2e-3,
    noise: float | int = 0.1,
) -> GradientFieldFit:
    """Fit a student that is a gradient by construction to a denoiser, by least squares around images.

    denoiser: D; its weights are not touched. student: such as GradientStepDenoiser.convolutional(...) or an
    InputConvexPotential, whose fit is a proximal map; a copy is trained. Each step draws a batch of images and adds
    white noise of a standard deviation uniform in [0, noise]. Adam with a cosine schedule, gradients clipped to norm 1.
    Raises InputError for settings out of range, ConvergenceError if the loss is not finite.
    """
    if steps < 1 or batch_size < 1 or not learning_rate > 0 or noise < 0:
        raise InputError(
            f"fit_gradient_field(steps={steps}, batch_size={batch_size}, learning_rate={learning_rate}, "
            f"noise={noise}): at least one step and image, a positive rate, and noise >= 0."
        )
    field = copy.deepcopy(student).requires_grad_()
    optimiser = torch.optim.Adam(field.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch_size,), generator=generator, device=generator.device)
        x = images[chosen.to(images.device)]
        level = torch.rand(batch_size, 1, 1, 1, generator=generator, device=generator.device).to(x)
        white = torch.randn(x.shape, generator=generator, device=generator.device).to(x)
        x = x + noise * level * white
        with torch.no_grad():
            target = denoiser(x)
            scale = _rest(target, x).square().mean()
        loss = (field(x) - target).square().mean() / scale
        losses.append(float(loss.detach()))
        if not bool(loss.isfinite()):
            raise ConvergenceError(
                f"The fit's loss is {losses[-1]} at step {len(losses)}: lower the learning rate, {learning_rate}."
            )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(field.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    field.requires_grad_(False)
    with torch.no_grad():
        target = in_chunks(denoiser, test_images)
        difference = _norm(in_chunks(field, test_images) - target)
        learnt = _norm(_rest(target, test_images))
    return GradientFieldFit(field, losses, difference / _norm(target), difference / learnt)


def _rest(target: Tensor, x: Tensor) -> Tensor:
    """What D adds to the best multiple of each image."""
    return target - (inner(target, x) / inner(x, x)).to(x).view(-1, 1, 1, 1) * x


def _norm(t: Tensor) -> Vector:
    return t.double().flatten(1).norm(dim=1)
