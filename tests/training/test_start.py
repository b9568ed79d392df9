"""Trainings that begin with a model of the package."""

import pytest
import torch
from eiwork.training.start import starting_model
from eiwork.training.trainer import _prepare

from eiwork.errors import CheckpointError, RecipeError
from eiwork.training import get_recipe, load_shipped, shipped, shipped_checkpoints
from eiwork.training.shipped import load_start, start_of_seed, starts
from eiwork_study import problems

NAME = "ct-ei-cycle-deq"


def test_it_begins_with_the_weights_of_that_model_and_leaves_the_random_state_alone():
    recipe = get_recipe(NAME)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    model = starting_model(recipe.with_overrides(start=NAME))
    assert torch.equal(torch.rand(2), expected)
    weights, random = model.state_dict(), starting_model(recipe).state_dict()
    shipped = load_shipped(NAME).weights
    assert weights.keys() == shipped.keys()
    assert all(torch.equal(weights[name], value) for name, value in shipped.items())
    assert any(not torch.equal(weights[name], value) for name, value in random.items())


def test_a_training_and_its_average_begin_there():
    recipe = get_recipe(NAME).with_overrides(start=NAME, data__n_train=4)
    state, _, _ = _prepare(recipe, torch.device("cpu"))
    shipped = load_shipped(NAME).weights
    for weights in (state.model.state_dict(), state.average):
        assert all(torch.equal(weights[name], value) for name, value in shipped.items())


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"start": "ct-magic"}, CheckpointError, "ct-magic.*there are ct-ei-cycle-deq"),
        ({"start": NAME, "model__iteration__width": 8}, CheckpointError, "do not fit the model.*other shape"),
        ({"start": NAME, "pretraining": {}}, RecipeError, "leave one of them out"),
    ],
)
def test_a_start_that_cannot_be_is_told(fields, error, match):
    with pytest.raises(error, match=match):
        starting_model(get_recipe(NAME).with_overrides(**fields))


def test_what_is_only_to_begin_with_is_no_trained_model_of_the_package():
    only_starts = set(starts()) - set(shipped_checkpoints())
    assert only_starts == {f"{problem}-synthetic-deq{own}" for problem in problems() for own in ("", "-1", "-2")}
    for name in only_starts:
        checkpoint = load_start(name)
        recipe = checkpoint.recipe
        assert name == recipe.name + (f"-{recipe.seed}" if recipe.seed else "")
        assert checkpoint.card["step"] == recipe.steps
        with pytest.raises(CheckpointError, match="there are ct-ei-cycle-deq"):
            load_shipped(name)


def test_every_shipped_model_can_be_begun_with():
    assert set(shipped_checkpoints()) < set(starts())
    own, again = load_shipped(NAME).weights, load_start(NAME).weights
    assert all(torch.equal(value, again[name]) for name, value in own.items())


def test_a_start_of_another_seed_is_taken_where_it_is_there(monkeypatch, tmp_path):
    for name in ("ct-synthetic-deq", "ct-synthetic-deq-2"):
        (tmp_path / f"{name}.safetensors").touch()
    monkeypatch.setattr(shipped, "_STARTS", tmp_path)
    found = [start_of_seed("ct-synthetic-deq", seed) for seed in (0, 1, 2)]
    assert found == ["ct-synthetic-deq", "ct-synthetic-deq", "ct-synthetic-deq-2"]
