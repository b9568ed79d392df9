"""The weights that a training begins with."""

from torch import nn

from eiwork.training.build import build_model
from eiwork.training.checkpoints import load_weights
from eiwork.training.randomness import seeded
from eiwork.training.recipe import Recipe
from eiwork.training.shipped import load_start


def starting_model(recipe: Recipe) -> nn.Module:
    """The model of a recipe before its first step: random weights of its seed, or those of the model it starts from.

    The caller's random state does not move. Raises CheckpointError where no such model comes with the package, or
    where it has another architecture.
    """
    with seeded(recipe.seed, "weights"):
        model = build_model(recipe)
    if recipe.start is not None:
        load_weights(model, load_start(recipe.start).weights, f"the model {recipe.start!r} to start from")
    return model
