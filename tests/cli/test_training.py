import json
from pathlib import Path

import pytest
import torch

import eiwork.training
from eiwork.training import TrainingResult, get_recipe, recipes

METRICS = {"model": {"psnr": 27.5, "converged_share": 1.0}, "minimum-norm inverse": {"psnr": 24.25}}


@pytest.fixture
def trainings(monkeypatch):
    """Replaces the training itself: records how it was asked for."""
    calls = []

    def train(recipe, output, device="auto", resume=False):
        calls.append((recipe, output, device, resume))
        return TrainingResult(Path(output) / "model.safetensors", METRICS, interrupted=False, history=[])

    monkeypatch.setattr(eiwork.training, "train", train)
    return calls


def test_recipes_lists_every_name_and_summary(run):
    result = run("recipes")
    assert result.exit_code == 0
    for name, recipe in recipes().items():
        assert name in result.stdout
        assert recipe.summary in result.stdout


def test_train_uses_the_recipe_as_it_is_by_default(run, trainings):
    result = run("train", "mri-ei-deq")
    assert result.exit_code == 0, result.output
    assert trainings == [(get_recipe("mri-ei-deq"), Path("runs/mri-ei-deq"), "auto", False)]
    assert "27.50" in result.stdout
    assert "24.25" in result.stdout
    assert "runs/mri-ei-deq/model.safetensors" in result.stdout


def test_every_option_of_train_changes_something(run, trainings, tmp_path):
    options = ["--output", "here", "--steps", "7", "--seed", "3", "--device", "cpu", "--resume"]
    assert run("train", "ct-ei-deq", *options, "--json", "figures.json").exit_code == 0
    changed = get_recipe("ct-ei-deq").with_overrides(steps=7, seed=3)
    assert trainings == [(changed, Path("here"), "cpu", True)]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["metrics"] == METRICS
    assert figures["recipe"]["steps"] == 7
    assert figures["checkpoint"] == "here/model.safetensors"
    assert figures["interrupted"] is False


def test_an_interrupted_training_says_how_to_go_on(run, monkeypatch):
    stopped = TrainingResult(Path("here/model.safetensors"), METRICS, interrupted=True, history=[])
    monkeypatch.setattr(eiwork.training, "train", lambda *args, **options: stopped)
    result = run("train", "ct-ei-deq", "--output", "here", "--steps", "7")
    assert result.exit_code == 130
    assert "eiwork train ct-ei-deq --output here --steps 7 --resume" in result.stdout


@pytest.mark.parametrize(("name", "near"), [("mri-ei-dqe", "mri-ei-deq"), ("no-such", "")])
def test_an_unknown_recipe_names_the_three_nearest(run, advice, trainings, name, near):
    result = run("train", name)
    assert result.exit_code == 2
    told = advice(result)
    assert f"Did you mean {near}" in told
    assert sum(f" {known}," in told or f" {known}?" in told for known in recipes()) == 3
    assert trainings == []


def test_cuda_without_cuda_leaves_nothing_behind(run, advice, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = run("train", "ct-ei-deq", "--device", "cuda")
    assert result.exit_code == 2
    assert "--device cuda needs CUDA" in advice(result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--steps=0", "--seed=-1", "--steps=many"])
def test_values_out_of_range_are_usage_errors(run, trainings, option):
    assert run("train", "ct-ei-deq", option).exit_code == 2
    assert trainings == []


def test_an_unwritable_output_or_json_path_stops_before_the_training(run, advice, trainings, tmp_path):
    (tmp_path / "file").write_text("")
    assert "Cannot write file" in advice(run("train", "ct-ei-deq", "--json", "file/figures.json"))
    assert trainings == []


def test_an_unwritable_output_folder_is_told_by_the_training_itself(run, advice, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("train", "ct-ei-deq", "--output", "file/run")
    assert result.exit_code == 1
    assert "Cannot write file/run" in advice(result)


def test_evaluate_prints_a_table_and_writes_all_figures(run, tmp_path, monkeypatch):
    calls = []
    figures = {"name": "ct-ei-deq", "n_images": 12, "summary": METRICS, "images": {"model": {"psnr": [27.5]}}}

    def evaluate(checkpoint, device="auto"):
        calls.append((checkpoint, device))
        return figures

    monkeypatch.setattr(eiwork.training, "evaluate", evaluate)
    result = run("evaluate", "runs/a/model.safetensors", "--device", "cpu", "--json", "figures.json")
    assert result.exit_code == 0, result.output
    assert "ct-ei-deq, 12 test images" in result.stdout
    assert calls == [(Path("runs/a/model.safetensors"), "cpu")]
    assert json.loads((tmp_path / "figures.json").read_text()) == figures


def test_a_missing_checkpoint_is_named(run, advice):
    result = run("evaluate", "nowhere/model.safetensors")
    assert result.exit_code == 1
    assert "nowhere/model.json does not exist" in advice(result)
