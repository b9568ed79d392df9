"""Trained models on shifted problems."""

import json

import pytest
import torch

from eiwork import results
from eiwork.errors import InputError
from eiwork.models import Attempt, GuardedDEQ
from eiwork.training import load_checkpoint, train
from eiwork_study.generalisation import FORMAT, generalisation_report, generalise, shifts
from eiwork_study.problems import base_recipe


@pytest.fixture
def checkpoint(small_grid, tmp_path):
    (task,) = small_grid(methods=("ei",), steps=2)
    return load_checkpoint(train(task.recipe, tmp_path / "training", device="cpu", progress=False).checkpoint)


@pytest.mark.parametrize("problem", ["ct", "mri", "inpainting"])
def test_every_problem_has_its_shifts_and_their_images(problem):
    recipe = base_recipe(problem).with_overrides(data__image_size=16)
    found = shifts(recipe)
    assert len(found) == len({shift.name for shift in found}) >= 10
    assert (found[0].name, found[0].overrides) == ("as trained", {})
    for shift in found:
        changed = recipe.with_overrides(**shift.overrides)
        assert changed != recipe or shift.images is not None or shift is found[0]
        if shift.images is not None:
            images = shift.images(16)
            assert images.shape[1:] == (1, 16, 16)
            assert 0 <= float(images.min()) <= float(images.max()) <= 1


def test_a_shift_changes_the_figures_and_all_is_reported(checkpoint):
    names = ("as trained", "noise 0.05", "coronal slices", "twice the image size")
    chosen = [shift for shift in shifts(checkpoint.recipe) if shift.name in names]
    assert len(chosen) == 4
    found = {row["shift"]: row for row in generalise(checkpoint, chosen)}
    plain = found.pop("as trained")
    for row in found.values():
        assert row["psnr"] != plain["psnr"]
        assert len(row["psnr"]) == len(row["inverse_psnr"]) == row["n_images"]
    assert torch.tensor(found["noise 0.05"]["psnr"]).mean() < torch.tensor(plain["psnr"]).mean()
    assert plain["max_nfe"] > 1
    assert plain["converged_share"] == 1.0


def test_a_guard_changes_what_is_not_solved_and_says_how_much(checkpoint):
    plain = generalisation_report(checkpoint, ["as trained"])
    hasty = [Attempt(1.0, max_iter=2), Attempt(0.0, max_iter=100)]
    guarded = generalisation_report(checkpoint, ["as trained"], lambda model: GuardedDEQ(model, hasty))
    assert plain["guard"] is None
    assert "milder_share" not in plain["rows"][0]
    row = guarded["rows"][0]
    assert row["milder_share"] == row["converged_share"] == 1
    assert row["psnr"] != plain["rows"][0]["psnr"]
    prompt = generalisation_report(checkpoint, ["as trained"], GuardedDEQ.prompt)
    assert prompt["rows"][0]["milder_share"] == 0
    assert prompt["rows"][0]["psnr"] == plain["rows"][0]["psnr"]


def test_the_command_writes_a_report_of_everything_that_it_depends_on(checkpoint, run, tmp_path):
    path = tmp_path / "generalisation" / f"{checkpoint.recipe.name}-0.json"
    done = run("generalise", tmp_path / "training", "--shift", "as trained", "--shift", "another mask", "--json", path)
    assert done.exit_code == 0, done.output
    assert "as trained" in done.stdout
    report = json.loads(path.read_text())
    assert (report["format"], report["name"], report["seed"]) == (FORMAT, checkpoint.recipe.name, 0)
    assert [row["shift"] for row in report["rows"]] == ["as trained", "another mask"]
    assert report["recipe"] == checkpoint.recipe.model_dump(mode="json")
    assert report["code"]["eiwork"]
    assert all(value == round(value, 4) for row in report["rows"] for value in row["psnr"])
    with pytest.raises(InputError, match="no shift 'by the moon' of mri-ei: the nearest of"):
        generalisation_report(checkpoint, ["by the moon"])


def test_every_committed_report_has_a_guarded_partner_of_the_same_changes():
    folder = results.results_folder()
    for path in (folder / "guarded").glob("*.json"):
        alone, guarded = (json.loads(p.read_text()) for p in (folder / "generalisation" / path.name, path))
        assert [row["shift"] for row in alone["rows"]] == [row["shift"] for row in guarded["rows"]]
        assert (alone["recipe"], alone["step"]) == (guarded["recipe"], guarded["step"])
        assert all(row["converged_share"] == 1 for row in guarded["rows"]), path.name
