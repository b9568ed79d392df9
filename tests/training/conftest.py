"""Recipes small enough to train in a test, and what a training of one does step by step."""

from functools import partial

import pytest
import torch

from eiwork.training import Recipe, get_recipe, train
from eiwork.training.measurements import training_set
from eiwork.training.samples import Samples
from eiwork.training.state import TrainingState
from eiwork.training.step import StepContext


def small(name: str = "inpainting-ei-deq", **fields) -> Recipe:
    """A named recipe at 16x16 with a tiny network and four steps."""
    base = get_recipe(name)
    values = {
        "data__image_size": 16,
        "data__n": 6,
        "steps": 4,
        "monitor_every": 2,
        "optimiser__batch_size": 2,
        "model__iteration__denoiser": {"kind": "ResidualCNN", "channels": base.channels, "width": 4, "depth": 2},
    }
    return base.with_overrides(**(values | fields))


@pytest.fixture(scope="session")
def small_recipe():
    """The function that makes small recipes."""
    return small


@pytest.fixture(scope="session")
def quietly():
    """`train` on the CPU, without a bar."""
    return partial(train, device="cpu", progress=False)


@pytest.fixture(scope="session")
def prepare():
    """recipe -> the state of its training before the first step, and the context of its steps."""

    def prepared(recipe: Recipe) -> tuple[TrainingState, StepContext]:
        physics, model = recipe.build_physics(), recipe.build_model()
        average = {name: value.clone() for name, value in model.state_dict().items()}
        state = TrainingState(model, recipe.optimiser.adam(model), average)
        measured, place = training_set(recipe, physics), torch.device("cpu")
        seen = Samples(measured.y, measured.x)
        fixed = (recipe.optimiser, recipe.contraction, recipe.steps, recipe.seed)
        return state, StepContext(physics, recipe.build_loss(), seen, *fixed, place)

    return prepared


@pytest.fixture(scope="session")
def same():
    """Whether two sets of weights are equal to the bit."""
    return lambda a, b: a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
