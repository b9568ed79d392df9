"""Tables of settings say everything that a recipe says."""

from itertools import pairwise

import pytest

from eiwork.errors import InputError
from eiwork_study import Collection, method_recipe
from eiwork_study.settings_table import (
    changes,
    changes_text,
    explained,
    flat_settings,
    meanings,
    recipe_of,
    settings_markdown,
)


def dumped(problem, method):
    return method_recipe(problem, method).model_dump(mode="json")


def leaves(value):
    return sum(map(leaves, value.values())) if isinstance(value, dict) and value else 1


def test_no_setting_is_left_out():
    recipe = dumped("ct", "ei")
    found = flat_settings(recipe)
    assert len(found) == leaves(recipe) - 3, "all but name, summary and seed"
    assert found["physics.n_views"] == str(recipe["physics"]["n_views"])
    assert found["model.warm_start"] == "none"
    assert found["loss.group"].startswith("rotation (interpolation fourier")
    assert found["data.seed"] == "0"


def test_a_row_per_setting_and_a_column_per_recipe():
    lines = settings_markdown({"ct": dumped("ct", "ei"), "mri": dumped("mri", "ei")}).splitlines()
    assert lines[0] == "| setting | ct | mri |"
    names = [line.split(" | ")[0] for line in lines[2:]]
    assert len(names) == len(set(names))
    (views,) = (line for line in lines if line.startswith("| physics.n_views |"))
    assert views.endswith("| - |")
    parts = [name.split(".")[0] for name in names]
    assert sum(a != b for a, b in pairwise(parts)) == len(set(parts)) - 1, "parts together"


def test_changes_are_those_of_the_method():
    base = dumped("mri", "ei")
    assert changes_text(base, base) == "nothing"
    assert changes(base, dumped("mri", "ei-cycle"))["loss.cycle_weight"] == ("0.0", "5.0")
    free = changes_text(base, dumped("mri", "ei-jfb"))
    assert "model.gradient.kind = jacobian_free" in free
    assert "model.solver" not in free
    unet = changes_text(base, dumped("mri", "ei-unet"))
    assert "model.kind = unet" in unet
    assert "no model.iteration" in unet
    assert "no model.iteration.data_step" not in unet


def test_recipes_of_results_get_the_settings_of_today(make_result):
    recipe = dumped("mri", "ei")
    old = {**recipe, "loss": {k: v for k, v in recipe["loss"].items() if k != "cycle_weight"}}
    foreign = {"name": "made up", "steps": 3}
    collection = Collection(
        {
            ("mri", "ei", 0): make_result(recipe=old),
            ("mri", "mc", 0): make_result("mc", recipe=foreign),
        }
    )
    assert recipe_of(collection, "mri", "ei") == recipe
    assert recipe_of(collection, "mri", "mc") == foreign
    with pytest.raises(InputError, match="no result"):
        recipe_of(collection, "ct", "ei")


def test_every_part_is_explained():
    found = meanings(method_recipe("ct", "ei"))
    assert {"recipe", "data", "physics", "model", "model.iteration", "model.gradient", "loss"} <= found.keys()
    assert all(len(text) > 20 for text in found.values())
    assert "depth" in found["model.iteration"], "what all iterations share"
    assert "|" not in found["contraction"].replace(r"\|", "")


def test_docstrings_fit_into_a_table():
    def thing():
        """One |x|

        and two.
        """

    assert explained(thing) == r"One \|x\| and two."
    assert explained(lambda: None) == ""
