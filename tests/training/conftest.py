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
        "gradient_probe_every": None,
        "optimiser__batch_size": 2,
        "model__iteration__network": "plain",
        "model__iteration__width": 4,
        "model__iteration__depth": 2,
    }
    if get_recipe(name).model.kind == "unet":
        values = {k: v for k, v in values.items() if "iteration" not in k} | {"model__width": 4}
    return get_recipe(name).with_overrides(**(values | fields))


@pytest.fixture(scope="session")
def small_recipe():
    """The function that makes small recipes."""
    return small


PHYSICS = {
    "mri": {"kind": "mri", "acceleration": 4.0},
    "ct": {"kind": "tomography", "n_views": 6},
    "natural": {"kind": "inpainting", "keep": 0.6},
}


def plain(data: str = "mri", **fields) -> Recipe:
    """A tiny noiseless EI recipe whose every setting is a default or here: the catalogue does not matter."""
    recipe = Recipe.parse(
        {
            "name": f"plain-{data}",
            "summary": "A tiny recipe of the tests.",
            "data": {"name": data, "image_size": 16, "n_train": 12},
            "physics": PHYSICS[data],
            "model": {"kind": "deq", "iteration": {"width": 4, "depth": 2}},
            "contraction": {},
            "optimiser": {"batch_size": 2},
            "steps": 4,
            "monitor_every": 2,
        }
    )
    return recipe.with_overrides(**fields)


@pytest.fixture
def plain_recipe():
    """The function that makes tiny recipes without the catalogue."""
    return plain
