"""Whether a way of training looks at ground truth: the same steps with the truth destroyed."""

from collections.abc import Callable
from dataclasses import replace

import torch
from eiwork.training.build import build_cache, build_optimiser, build_tolerances
from eiwork.training.build_loss import build_training_loss
from eiwork.training.start import starting_model
from jaxtyping import Float
from torch import Tensor

from eiwork.training import Recipe, build_physics
from eiwork.training.measurements import training_set, training_set_with_truth
from eiwork.training.state import TrainingState
from eiwork.training.step import StepContext, train_step

Image = Float[Tensor, "n channel height width"]
Change = Callable[[Image], Image]


def weights_after(recipe: Recipe, steps: int, change: Change | None = None) -> Float[Tensor, " weights"]:
    """All weights after the first steps of a recipe, one after the other, on the processor.

    change: the ground truth of the training images, put through this, is handed to the loss, whether the recipe has a
    use for it or not; None leaves what the recipe itself would be given. Raises ConvergenceError where a loss
    is not finite, as after a change to NaN of a truth that is used.
    """
    physics = build_physics(recipe.physics, recipe.data.image_size)
    images = training_set(recipe, physics)
    if change is not None:
        truth = training_set_with_truth(recipe, physics).x
        assert truth is not None
        images = replace(images, x=change(truth))
    model = starting_model(recipe)
    state = TrainingState(
        model,
        build_optimiser(recipe, model),
        {name: value.detach().clone() for name, value in model.state_dict().items()},
        cache=build_cache(recipe),
        tolerances=build_tolerances(recipe),
    )
    context = StepContext(recipe, physics, build_training_loss(recipe), images, torch.device("cpu"))
    for _ in range(steps):
        train_step(state, context)
    return torch.cat([p.detach().flatten() for p in model.parameters()])
