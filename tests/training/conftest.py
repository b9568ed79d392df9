"""Recipes small enough to train in a test."""

import pytest

from eiwork.training import Recipe, get_recipe


def small(name: str = "ct-ei-deq", **fields) -> Recipe:
    """A named recipe at 16x16 with a tiny network and four steps."""
    values = {
        "data__image_size": 16,
        "data__n_train": 12,
        "steps": 4,
        "monitor_every": 2,
        "optimiser__batch_size": 2,
        "model__iteration__width": 4,
        "model__iteration__depth": 2,
    }
    if get_recipe(name).model.kind == "unet":
        values = {k: v for k, v in values.items() if "iteration" not in k} | {"model__width": 4}
    return get_recipe(name).with_overrides(**(values | fields))


@pytest.fixture
def small_recipe():
    """The function that makes small recipes."""
    return small
