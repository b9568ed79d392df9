"""Result files: complete or refused with one clear error."""

import json

import pytest

from eiwork.errors import DataFormatError
from eiwork_study import load_result, save_result
from eiwork_study.collection import collect
from eiwork_study.result import differing_settings
from eiwork_study.task import existing_result


def test_what_is_written_is_read(make_result, tmp_path):
    result = make_result(psnr=(20.123456789, 22.0), error_bound=[0.5, float("inf")], nfe=[3, 4])
    path = save_result(tmp_path / "a" / "run.json", result)
    found = load_result(path)
    assert found.psnr == [20.1235, 22.0]
    assert found.error_bound == [0.5, None]
    assert found.nfe == [3, 4]
    assert "residual" not in json.loads(path.read_text())
    save_result(path, found)
    assert load_result(path) == found


def damage(path, kind):
    values = json.loads(path.read_text())
    if kind == "truncated":
        path.write_text(path.read_text()[:-30])
    elif kind == "not text":
        path.write_bytes(b"\xff\xfe\x00")
    elif kind == "foreign":
        path.write_text('{"format": "something else"}')
    elif kind == "list":
        path.write_text("[1]")
    elif kind == "count":
        path.write_text(json.dumps(values | {"ssim": [0.1]}))
    elif kind == "field":
        path.write_text(json.dumps(values | {"colour": "blue"}))
    elif kind == "type":
        path.write_text(json.dumps(values | {"psnr": ["high", "low"]}))
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("truncated", "damaged"),
        ("not text", "damaged"),
        ("foreign", "belongs to something else"),
        ("list", "belongs to something else"),
        ("count", "ssim has 1 values for 2 images"),
        ("field", "colour"),
        ("type", "psnr"),
        ("missing", "does not exist"),
    ],
)
def test_an_unusable_file_is_one_error_that_names_it(make_result, tmp_path, kind, match):
    path = save_result(tmp_path / "run.json", make_result())
    damage(path, kind)
    with pytest.raises(DataFormatError, match=match) as error:
        load_result(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_result_of_another_recipe_is_told_and_not_collected(small_grid, make_result, places):
    (task,) = small_grid(methods=("ei",))
    recipe = task.recipe.model_dump(mode="json")
    save_result(task.result_path(places.results), make_result(recipe=recipe))
    assert existing_result(task, places.results).method == "ei"
    other = task.recipe.with_overrides(steps=9, optimiser__clip=0.5).model_dump(mode="json")
    save_result(task.result_path(places.results), make_result(recipe=other))
    with pytest.raises(DataFormatError, match=r"optimiser\.clip, steps differ"):
        existing_result(task, places.results)
    found = collect([task], places.results)
    assert found.runs == {}
    assert "another recipe" in found.problems_found[0]


def test_a_recipe_from_before_a_setting_existed_is_the_same_recipe(small_grid, make_result):
    (task,) = small_grid(methods=("ei",))
    recipe = task.recipe.model_dump(mode="json")
    del recipe["loss"]["n_elements"]
    del recipe["loss"]["cycle_weight"]
    recipe["summary"] = "Said otherwise."
    assert differing_settings(task, make_result(recipe=recipe)) == []


def test_a_result_of_another_seed_is_told(small_grid, make_result, places):
    (task,) = small_grid(methods=("ei",))
    recipe = task.recipe.model_dump(mode="json")
    save_result(task.result_path(places.results), make_result(recipe=recipe, seed=1))
    with pytest.raises(DataFormatError, match="problem, method or seed"):
        existing_result(task, places.results)
