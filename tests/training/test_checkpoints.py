"""Checkpoints: complete or refused, never unpickled, never half-written; trainings that begin with one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eiwork import data
from eiwork.errors import CheckpointError
from eiwork.models import GuardedDEQ
from eiwork.training import get_recipe, load_checkpoint, load_shipped, save_checkpoint
from eiwork.training.measurements import as_model_images
from eiwork.training.measurements import test_set as held_out


@pytest.fixture
def saved(tmp_path, small_recipe):
    recipe = small_recipe()
    model = recipe.build_model()
    card = {"recipe": recipe.model_dump(mode="json"), "step": 3}
    return save_checkpoint(tmp_path / "model", model.state_dict(), card), model


def edit(path, change):
    card = json.loads(path.with_suffix(".json").read_text())
    change(card)
    path.with_suffix(".json").write_text(json.dumps(card))


def test_a_round_trip_keeps_every_bit_and_reconstructs_as_before(saved, small_recipe, same, tmp_path):
    path, model = saved
    for source in (path, path.with_suffix(".json"), path.parent, str(path)):
        assert same(load_checkpoint(source).weights, model.state_dict())
    again = load_checkpoint(load_checkpoint(path).save(tmp_path / "other", step=4, note="a copy"))
    assert same(again.weights, model.state_dict())
    assert (again.card["step"], again.card["note"], again.recipe) == (4, "a copy", small_recipe())
    physics, loaded = small_recipe().build_physics(), again.model()
    assert not loaded.training
    with torch.no_grad():
        y = physics.A(torch.rand(2, 1, 16, 16))
        assert torch.equal(loaded(y, physics), model.eval()(y, physics))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-8]), r"model\.safetensors does not match its card"),
        (lambda p: p.write_bytes(b""), r"model\.safetensors does not match its card"),
        (lambda p: p.unlink(), r"model\.safetensors cannot be read"),
        (lambda p: p.with_suffix(".json").unlink(), r"model\.json does not exist"),
        (lambda p: p.with_suffix(".json").write_text("{"), r"model\.json cannot be read as JSON"),
        (lambda p: p.with_suffix(".json").write_text("[]"), "belongs to something else"),
        (lambda p: p.with_suffix(".json").write_text('{"format": "other"}'), "belongs to something else"),
        (lambda p: edit(p, lambda card: card.pop("sha256")), "belongs to something else"),
        (lambda p: edit(p, lambda card: card["recipe"].update(flux=1)), "recipe does not fit this version.*flux"),
    ],
)
def test_damaged_files_are_named(saved, damage, match):
    path, _ = saved
    damage(path)
    with pytest.raises(CheckpointError, match=match):
        load_checkpoint(path)


def test_without_a_recipe_weights_go_into_a_model_of_the_caller_that_fits(tmp_path, same):
    own, other = torch.nn.Conv2d(1, 1, 3), torch.nn.Conv2d(1, 1, 3)
    found = load_checkpoint(save_checkpoint(tmp_path / "own", own.state_dict(), {"recipe": None, "model": "Conv2d"}))
    assert found.load_into(other) is other
    assert same(own.state_dict(), other.state_dict())
    assert not other.training
    for use in (lambda: found.recipe, found.model, found.reconstructor):
        with pytest.raises(CheckpointError, match=r"weights of a Conv2d of yours.*load_into\(model\)"):
            use()
    wider = torch.nn.Conv2d(1, 1, 5, bias=False)
    before = wider.weight.detach().clone()
    with pytest.raises(CheckpointError, match=r"unknown: bias; other shape: weight \(1, 1, 3, 3\) in .*architecture"):
        found.load_into(wider)
    assert torch.equal(before, wider.weight)


def test_a_failed_write_keeps_the_old_checkpoint(saved, monkeypatch):
    path, model = saved
    before = path.read_bytes()

    def full_disk(self, content):
        with self.open("wb") as file:
            file.write(content[:7])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_checkpoint(path, {k: v + 1 for k, v in model.state_dict().items()}, {"recipe": {}})
    assert path.read_bytes() == before
    assert {p.name for p in path.parent.iterdir()} == {"model.safetensors", "model.json"}


def test_a_reconstructor_is_the_trained_model_where_that_has_a_fixed_point_and_has_one_everywhere():
    checkpoint = load_shipped("mri-ei-deq")
    reconstructor, recipe = checkpoint.reconstructor(), checkpoint.recipe
    assert isinstance(reconstructor, GuardedDEQ)
    assert not reconstructor.training
    assert {solver.tol for solver in reconstructor.solvers} == {1e-4}
    physics = recipe.build_physics()
    own = held_out(recipe, physics)[40:42]
    alone = checkpoint.model()
    alone.solver = replace(alone.solver, tol=1e-4, max_iter=200)
    with torch.no_grad():
        assert torch.equal(reconstructor(own.y, physics), alone(own.y, physics))
    torch.manual_seed(0)
    foreign = physics(as_model_images(data.load("natural", "test", 64)[:4], recipe))
    solution = reconstructor.solve(foreign, physics)
    assert solution.converged.all()
    assert solution.weights.min() < 1
    assert solution.n_evaluations < 60


def test_a_training_and_its_average_begin_with_the_model_that_is_named(saved, small_recipe, quietly, same):
    """After a step of no length."""
    still = {"steps": 1, "optimiser__learning_rate": 1e-60, "data__n": 2, "data__image_size": 16}
    recipe, shipped = get_recipe("ct-ei-deq").with_overrides(**still), load_shipped("ct-ei-deq").weights
    assert same(quietly(recipe.with_overrides(start="ct-ei-deq")).model.state_dict(), shipped)
    assert not same(quietly(recipe).model.state_dict(), shipped)
    path, model = saved
    assert same(quietly(small_recipe(start=str(path), seed=5, **still)).model.state_dict(), model.state_dict())


def test_a_start_that_cannot_be_is_told_before_anything_is_written(quietly, tmp_path):
    recipe = get_recipe("ct-ei-deq").with_overrides(data__n=2, data__image_size=16)
    for start, match in (
        ("ct-magic", "'ct-magic' comes with this version: the nearest of 14 are ct-"),
        ("nowhere/model", "nowhere/model.json does not exist"),
        ("mri-ei-deq", "'mri-ei-deq' to start from do not fit the model .*another architecture"),
    ):
        with pytest.raises(CheckpointError, match=match):
            quietly(recipe.with_overrides(start=start), tmp_path / "run")
    assert not (tmp_path / "run").exists()
