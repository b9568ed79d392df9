"""Trained models on shifted problems."""

import pytest
import torch

from eiwork.errors import InputError
from eiwork.models import Attempt, GuardedDEQ
from eiwork.training import load_checkpoint, train
from eiwork_study import generalisation_report, generalise, shifts
from eiwork_study.methods import method_recipe, origin
from eiwork_study.problems import base_recipe


@pytest.fixture
def checkpoint(small_grid, tmp_path):
    (task,) = small_grid(methods=("ei",), steps=2)
    return load_checkpoint(train(task.recipe, tmp_path, device="cpu", progress=False, measure=False).checkpoint)


@pytest.mark.parametrize("problem", ["ct", "mri", "inpainting"])
def test_every_problem_has_its_shifts_and_their_images(problem):
    recipe = base_recipe(problem).with_overrides(data__image_size=16)
    found = shifts(recipe)
    assert len(found) == len({shift.name for shift in found}) >= 10
    assert found[0].name == "as trained"
    assert not found[0].overrides
    for shift in found:
        changed = recipe.with_overrides(**shift.overrides)
        assert changed != recipe or shift.images is not None or shift is found[0]
        if shift.images is not None:
            images = shift.images(16)
            assert images.shape[1:] == (1, 16, 16)
            assert 0 <= float(images.min()) <= float(images.max()) <= 1


def test_a_shift_changes_the_figures_and_all_is_reported(checkpoint):
    chosen = [
        shift
        for shift in shifts(checkpoint.recipe)
        if shift.name in ("as trained", "noise 0.05", "coronal slices", "twice the image size")
    ]
    assert len(chosen) == 4
    found = {row["shift"]: row for row in generalise(checkpoint, chosen)}
    plain = found.pop("as trained")
    for row in found.values():
        assert row["psnr"] != plain["psnr"]
        assert len(row["psnr"]) == len(row["inverse_psnr"]) == row["n_images"]
    means = {name: torch.tensor(row["psnr"]).mean() for name, row in found.items()}
    assert means["noise 0.05"] < torch.tensor(plain["psnr"]).mean()
    assert plain["max_nfe"] > 1
    assert plain["converged_share"] == 1.0


def test_a_report_says_what_it_depends_on(checkpoint):
    report = generalisation_report(checkpoint, ["as trained", "another mask"])
    assert (report["problem"], report["method"], report["seed"]) == ("mri", "ei", 0)
    assert [row["shift"] for row in report["rows"]] == ["as trained", "another mask"]
    assert report["recipe"] == checkpoint.recipe.model_dump(mode="json")
    assert report["code"]["eiwork"]
    assert all(value == round(value, 4) for row in report["rows"] for value in row["psnr"])
    with pytest.raises(InputError, match="choose from as trained"):
        generalisation_report(checkpoint, ["by the moon"])


def test_a_guard_changes_what_is_not_solved_and_says_how_much(checkpoint):
    plain = generalisation_report(checkpoint, ["as trained"])
    hasty = (Attempt(1.0, 2), Attempt(0.0, 100))
    guarded = generalisation_report(checkpoint, ["as trained"], lambda model: GuardedDEQ(model, hasty))
    assert plain["guard"] is None
    assert "milder_share" not in plain["rows"][0]
    assert [attempt["max_iter"] for attempt in guarded["guard"]["attempts"]] == [2, 100]
    row = guarded["rows"][0]
    assert row["milder_share"] == row["converged_share"] == 1
    assert row["psnr"] != plain["rows"][0]["psnr"]
    prompt = generalisation_report(checkpoint, ["as trained"], GuardedDEQ.prompt)
    assert prompt["rows"][0]["milder_share"] == 0
    assert prompt["rows"][0]["psnr"] == plain["rows"][0]["psnr"]


@pytest.mark.parametrize("problem", ["ct", "mri", "ct-noisy"])
@pytest.mark.parametrize("method", ["ei", "ei-jfb", "ei-cycle", "supervised", "ei-unet", "ablation-shifts"])
def test_a_recipe_tells_where_it_comes_from(problem, method):
    assert origin(method_recipe(problem, method).name) == (problem, method)


def test_a_foreign_recipe_comes_from_no_problem():
    assert origin("mine") == ("", "mine")
