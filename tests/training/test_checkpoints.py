"""Checkpoints: complete or refused, never unpickled, never half-written."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from eiwork.training.settings import SplittingSettings

from eiwork import data
from eiwork.errors import CheckpointError
from eiwork.models import GuardedDEQ
from eiwork.training import (
    Checkpoint,
    build_model,
    build_physics,
    load_checkpoint,
    load_shipped,
    load_weights,
    save_checkpoint,
)
from eiwork.training.measurements import as_model_images
from eiwork.training.measurements import test_set as held_out


@pytest.fixture
def saved(tmp_path, small_recipe):
    recipe = small_recipe()
    model = build_model(recipe)
    card = {"recipe": recipe.model_dump(mode="json"), "step": 3}
    return save_checkpoint(tmp_path / "model", model.state_dict(), card), model


def test_a_round_trip_keeps_every_bit(saved):
    path, model = saved
    for source in (path, path.with_suffix(".json"), path.parent):
        loaded = load_checkpoint(source)
        assert all(torch.equal(loaded.weights[k], v) for k, v in model.state_dict().items())
    assert loaded.card["step"] == 3


def test_a_loaded_model_reconstructs_as_the_saved_one(saved, small_recipe):
    path, model = saved
    recipe = small_recipe()
    physics = build_physics(recipe.physics, 16)
    y = physics.A(torch.rand(2, 1, 16, 16))
    with torch.no_grad():
        assert torch.equal(load_checkpoint(path).model()(y, physics), model.eval()(y, physics))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-8]), r"model\.safetensors does not match its card"),
        (lambda p: p.write_bytes(b""), r"model\.safetensors does not match its card"),
        (lambda p: p.unlink(), r"model\.safetensors cannot be read"),
        (lambda p: p.with_suffix(".json").unlink(), r"model\.json does not exist"),
        (lambda p: p.with_suffix(".json").write_text("{"), r"model\.json cannot be read as JSON"),
        (lambda p: p.with_suffix(".json").write_text('{"format": "other"}'), "belongs to something else"),
    ],
)
def test_damaged_files_are_named(saved, damage, match):
    path, _ = saved
    damage(path)
    with pytest.raises(CheckpointError, match=match):
        load_checkpoint(path)


def test_a_card_with_a_recipe_of_another_version_is_explained(saved):
    path, _ = saved
    card = json.loads(path.with_suffix(".json").read_text())
    card["recipe"]["flux_capacitor"] = 1
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="flux_capacitor"):
        load_checkpoint(path)


def test_weights_of_another_architecture_are_refused_and_nothing_is_changed(saved, small_recipe):
    path, _ = saved
    other = build_model(small_recipe().with_overrides(model__iteration__width=6, model__iteration__depth=3))
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(CheckpointError, match="another architecture"):
        load_weights(other, load_checkpoint(path).weights, str(path))
    assert all(torch.equal(before[k], v) for k, v in other.state_dict().items())


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
    physics = build_physics(recipe.physics, 64)
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


def untrained(recipe):
    return Checkpoint(build_model(recipe).state_dict(), {"recipe": recipe.model_dump(mode="json")})


def test_the_reconstructor_of_another_network_is_that_network(small_recipe):
    checkpoint = untrained(small_recipe("ct-ei-unet"))
    assert type(checkpoint.reconstructor()) is type(checkpoint.model())


def test_the_reconstructor_of_splitting_averages_guarded_solves(small_recipe):
    loss = SplittingSettings(test_splittings=2, consistency=False)
    found = untrained(small_recipe("ct-ei-deq", loss=loss, contraction=None)).reconstructor()
    assert not isinstance(found, GuardedDEQ)
    assert any(isinstance(part, GuardedDEQ) for part in found.modules())
