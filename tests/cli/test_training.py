import json
from pathlib import Path

import pytest
import torch

import eiwork.training
from eiwork.training import Evaluation, Run, get_recipe, recipes

VALUES = {
    "ct-ei-deq": {"psnr": [27.0, 28.0], "misfit": [0.1, 0.1]},
    "minimum-norm inverse": {"psnr": [24.0, 24.5], "misfit": [0.0, 0.0]},
}
EVALUATION = Evaluation(VALUES, {})
HISTORY = [{"step": 7.0, "loss": 0.5}]


@pytest.fixture
def calls(monkeypatch):
    """Replaces training and evaluation themselves: records how they were asked for."""
    made = []

    def train(recipe, output, *, device, resume):
        made.append((recipe, output, device, resume))
        return Run(torch.nn.Identity(), HISTORY, Path(output) / "model.safetensors", interrupted=False)

    def evaluate_checkpoint(path, device):
        made.append((path, device))
        return get_recipe("ct-ei-deq"), EVALUATION

    monkeypatch.setattr(eiwork.training, "train", train)
    monkeypatch.setattr(eiwork.training, "evaluate_checkpoint", evaluate_checkpoint)
    return made


def test_recipes_lists_every_name_and_summary(run, tmp_path):
    result = run("recipes", "--json", "recipes.json")
    assert result.exit_code == 0
    assert json.loads((tmp_path / "recipes.json").read_text())["mri-ei-deq"]["steps"] == 500
    for name, recipe in recipes().items():
        assert name in result.stdout
        assert recipe.summary in result.stdout


def test_train_uses_the_recipe_as_it_is_by_default_and_shows_what_it_is_worth(run, calls):
    result = run("train", "mri-ei-deq")
    assert result.exit_code == 0, result.output
    checkpoint = Path("runs/mri-ei-deq/model.safetensors")
    assert calls == [(get_recipe("mri-ei-deq"), Path("runs/mri-ei-deq"), "auto", False), (checkpoint, "auto")]
    assert str(EVALUATION.table()) in result.stdout
    assert "27.50" in result.stdout
    assert str(checkpoint) in result.stdout


def test_every_option_of_train_changes_something(run, calls, tmp_path):
    options = ["--output", "here", "--steps", "7", "--seed", "3", "--device", "cpu", "--resume"]
    assert run("train", "ct-ei-deq", *options, "--json", "figures.json").exit_code == 0
    changed = get_recipe("ct-ei-deq").with_overrides(steps=7, seed=3)
    assert calls == [(changed, Path("here"), "cpu", True), (Path("here/model.safetensors"), "cpu")]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures.pop("recipe") == changed.model_dump(mode="json")
    result = {"checkpoint": "here/model.safetensors", "interrupted": False, "history": HISTORY}
    assert figures == {**result, "summary": EVALUATION.summary}


def test_an_interrupted_training_says_how_to_go_on(run, calls, tmp_path, monkeypatch):
    stopped = Run(torch.nn.Identity(), HISTORY, Path("here/model.safetensors"), interrupted=True)
    monkeypatch.setattr(eiwork.training, "train", lambda *args, **options: stopped)
    result = run("train", "ct-ei-deq", "--output", "here", "--steps", "7", "--json", "figures.json")
    assert result.exit_code == 130
    assert "eiwork train ct-ei-deq --output=here --steps=7 --json=figures.json --resume" in result.stderr
    assert json.loads((tmp_path / "figures.json").read_text())["interrupted"] is True
    assert calls == [], "who stops does not wait for an evaluation"

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(eiwork.training, "train", killed)
    assert "Nothing was written" in run("train", "ct-ei-deq", "--output", "here").stderr, "there is no step to keep"


@pytest.mark.parametrize(("name", "nearest"), [("mri-ei-dqe", "mri-ei-deq"), ("no-such", "")])
def test_an_unknown_recipe_names_the_three_nearest(run, advice, calls, name, nearest):
    result = run("train", name)
    assert result.exit_code == 2
    named = {word.strip(",;.?") for word in advice(result).split()} & set(recipes())
    assert len(named) == 3
    assert not nearest or nearest in named
    assert calls == []


def test_what_cannot_be_used_written_or_found_is_named_and_leaves_nothing_behind(run, advice, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "file").write_text("")
    for status, told, *command in (
        (2, "--device cuda needs CUDA", "train", "ct-ei-deq", "--device", "cuda"),
        (2, "Cannot write file", "train", "ct-ei-deq", "--json", "file/figures.json"),
        (1, "Cannot write file/run", "train", "ct-ei-deq", "--output", "file/run"),
        (1, "nowhere/model.json does not exist", "evaluate", "nowhere/model.safetensors"),
    ):
        result = run(*command)
        assert (result.exit_code, told in advice(result)) == (status, True), result.output
    for option in ("--steps=0", "--seed=-1", "--steps=many"):
        assert run("train", "ct-ei-deq", option).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_evaluate_prints_a_table_and_writes_all_figures(run, calls, tmp_path):
    result = run("evaluate", "runs/a/model.safetensors", "--device", "cpu", "--json", "figures.json")
    assert result.exit_code == 0, result.output
    assert str(EVALUATION.table()) in result.stdout
    assert calls == [(Path("runs/a/model.safetensors"), "cpu")]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == {"name": "ct-ei-deq", "summary": EVALUATION.summary, "images": VALUES}


def test_a_recipe_is_trained_and_evaluated_from_the_command_line(run, tmp_path, monkeypatch):
    tiny = get_recipe("ct-ei-deq").with_overrides(data__image_size=16, data__n=4, optimiser__batch_size=2)
    monkeypatch.setattr(eiwork.training, "get_recipe", lambda name: tiny)
    assert run("train", "ct-ei-deq", "--steps", "1", "--output", "once").exit_code == 0
    result = run("evaluate", "once/model.safetensors", "--json", "figures.json")
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "figures.json").read_text())["summary"]
    assert summary.keys() == {"ct-ei-deq", "minimum-norm inverse", "filtered back-projection"}
