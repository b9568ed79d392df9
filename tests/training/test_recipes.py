"""Recipes: validated, immutable, and every wrong field is named."""

import pytest
import torch

from eiwork import data
from eiwork.errors import InputError, RecipeError
from eiwork.training import Recipe, build_physics, get_recipe, recipes
from eiwork.training.measurements import clean_images, training_set
from eiwork.training.measurements import test_set as held_out_set


def test_names_are_keys_and_recipes_survive_json():
    for name, recipe in recipes().items():
        assert recipe.name == name
        assert recipe.summary.endswith(".")
        assert Recipe.parse(recipe.model_dump(mode="json")) == recipe


def test_the_methods_of_a_problem_differ_in_the_method_alone():
    for prefix in ("ct", "mri", "inpainting"):
        base = get_recipe(f"{prefix}-ei-deq").model_dump()
        supervised = get_recipe(f"{prefix}-supervised-deq").model_dump()
        jfb = get_recipe(f"{prefix}-ei-deq-jfb").model_dump()
        assert {k for k in base if base[k] != supervised[k]} - {"contraction", "gradient_probe_every"} == {
            "name",
            "summary",
            "loss",
        }
        assert {k for k in base if base[k] != jfb[k]} == {"name", "summary", "model"}
        assert {k for k in base["model"] if base["model"][k] != jfb["model"][k]} == {"gradient"}


SCAN = {"split": "test", "name": "ct", "image_size": 16}


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"loss": {"method": "supervised"}}, "answers of the test"),
        ({"data": SCAN | {"n_train": 5}}, "n_train"),
        ({"data": SCAN | {"split": "both"}}, "both"),
    ],
)
def test_training_on_the_scans_of_the_test_takes_no_other_data_and_no_truth(fields, match):
    with pytest.raises(RecipeError, match=match):
        get_recipe("ct-ei-deq").with_overrides(data=SCAN).with_overrides(**fields)


def test_training_on_the_scans_of_the_test_sees_their_measurements_and_no_image():
    recipe = get_recipe("ct-ei-deq").with_overrides(data=SCAN)
    physics = build_physics(recipe.physics, 16)
    seen, judged = training_set(recipe, physics), held_out_set(recipe, physics)
    assert seen.x is None
    assert torch.equal(seen.y, judged.y)
    assert seen.data_hash == judged.data_hash
    half = training_set(recipe.with_overrides(data__every=2), physics)
    assert torch.equal(half.y, judged.y[::2])
    with pytest.raises(InputError, match="has no training images"):
        clean_images(recipe)


BODIES = {"split": "synthetic", "name": "ct", "image_size": 16, "n_train": 5}


def test_training_on_random_bodies_sees_their_truth_and_loads_no_image(monkeypatch):
    monkeypatch.setattr(data, "load", None)
    recipe = get_recipe("ct-supervised-deq").with_overrides(data=BODIES)
    physics = build_physics(recipe.physics, 16)
    seen = training_set(recipe, physics)
    assert torch.equal(seen.x, data.bodies(5, 16, seed=0))
    assert torch.equal(seen.x, clean_images(recipe))
    noise = seen.y - physics.A(seen.x)
    assert float(noise.std()) == pytest.approx(recipe.physics.noise_sigma, rel=0.1)
    blind = training_set(recipe.with_overrides(loss={"method": "ei"}), physics)
    assert blind.x is None
    assert torch.equal(blind.y, seen.y)


def test_random_photographs_are_leaves_without_air():
    of_nature = BODIES | {"name": "natural"}
    recipe = get_recipe("inpainting-supervised-deq").with_overrides(data=of_nature)
    assert torch.equal(clean_images(recipe), data.dead_leaves(5, 16, seed=0))


def test_random_bodies_are_known_by_the_hash_of_their_images():
    recipe = get_recipe("mri-supervised-deq").with_overrides(data=BODIES | {"name": "mri"})
    physics = build_physics(recipe.physics, 16)
    first, again = training_set(recipe, physics), training_set(recipe, physics)
    others = training_set(recipe.with_overrides(data__seed=1), physics)
    assert first.data_hash == again.data_hash != others.data_hash
    assert first.x.shape == (5, 2, 16, 16)
    assert len(first.data_hash) == 64


def test_an_unknown_recipe_suggests_its_neighbours():
    with pytest.raises(RecipeError, match="Did you mean mri-ei-deq"):
        get_recipe("mri-ei-dec")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"steps": 0}, "steps"),
        ({"physics__n_views": -3}, "n_views"),
        ({"data__image_size": 4}, "image_size"),
        ({"optimiser__ema": 1.0}, "ema"),
        ({"loss__group": ("scaling",)}, "group"),
        ({"colour": "blue"}, "no field 'colour'"),
        ({"physics__acceleration": 4}, "no field"),
        ({"physics__mask__size": 4}, "no settings 'mask'"),
        ({"model": {"kind": "unet"}}, "only a DEQ has a fixed point to control"),
        ({"physics": {"kind": "mri"}}, "measures complex MRI images"),
    ],
)
def test_a_wrong_field_is_named(fields, match):
    with pytest.raises(RecipeError, match=match):
        get_recipe("ct-ei-deq").with_overrides(**fields)
