"""Training and evaluating what a recipe describes: its arguments for `fit`, and its measurements for `evaluate`."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eiwork import device as devices
from eiwork.models.baselines import FilteredBackProjection, MinimumNormInverse
from eiwork.training.checkpoints import load_checkpoint, load_start, load_weights
from eiwork.training.evaluation import Evaluation, evaluate
from eiwork.training.fitting import Run, fit
from eiwork.training.measurements import test_set, training_set
from eiwork.training.recipe import Recipe

_N_MONITORED = 32


def train(
    recipe: Recipe,
    output: Path | str | None = None,
    *,
    device: str | torch.device = "auto",
    resume: bool = False,
    progress: bool = True,
    on_step: Callable[..., Any] | None = None,
) -> Run:
    """Train a recipe: builds the arguments of `fit`, which see, and looks at 32 test images to monitor it.

    Raises CheckpointError where there is no model such as it starts from, or one of another architecture.
    """
    model = recipe.build_model()
    if recipe.start is not None:
        load_weights(model, load_start(recipe.start).weights, f"the model {recipe.start!r} to start from")
    physics = recipe.build_physics()
    samples, held_out = training_set(recipe, physics), test_set(recipe, physics)
    monitored = held_out[torch.linspace(0, len(held_out) - 1, min(_N_MONITORED, len(held_out))).round().long()]
    assert monitored.x is not None
    return fit(
        model,
        physics,
        samples.y,
        recipe.build_loss(),
        x=samples.x,
        steps=recipe.steps,
        contraction=recipe.contraction,
        held_out=(monitored.y, monitored.x),
        output=output,
        resume=resume,
        seed=recipe.seed,
        device=device,
        progress=progress,
        on_step=on_step,
        monitor_every=recipe.monitor_every,
        card={"recipe": recipe.model_dump(mode="json"), "data_hash": samples.data_hash},
        **asdict(recipe.optimiser),
    )


def evaluate_checkpoint(path: Path | str, device: str = "auto") -> tuple[Recipe, Evaluation]:
    """A checkpoint on every test image of its recipe, beside the linear reconstructions.

    Raises CheckpointError for an unusable checkpoint, InputError for an unusable device.
    """
    loaded, place = load_checkpoint(path), devices.resolve(device)
    recipe = loaded.recipe
    physics = recipe.build_physics()
    images = test_set(recipe, physics)
    assert images.x is not None
    models: dict[str, nn.Module] = {recipe.name: loaded.model().to(place), "minimum-norm inverse": MinimumNormInverse()}
    if recipe.physics.kind == "tomography":
        models["filtered back-projection"] = FilteredBackProjection()
    return recipe, evaluate(models, physics.to(place), images.y.to(place), images.x.to(place), seed=recipe.seed)
