"""One run: done once, resumed to the same bits, and written whole."""

import inspect
import json
from dataclasses import replace
from functools import partial

import pytest
import torch

import eiwork_study.task as task_module
from eiwork.errors import DataFormatError, InputError
from eiwork.models.baselines import ConjugateGradientSENSE, TotalVariation
from eiwork.training import evaluate, load_checkpoint
from eiwork.training.measurements import test_set as images_of_test
from eiwork_study import classical
from eiwork_study.classical import golden_section
from eiwork_study.task import TOLERANCE, collect, existing_result, progress_of, run_task


def kept(result):
    """What must be the same in two runs: everything but the time that they took."""
    values = result.model_dump(exclude={"seconds", "cpu_seconds", "history"})
    return values | {"history": [{k: v for k, v in e.items() if "seconds" not in k} for e in result.history]}


def test_a_result_says_everything_that_it_depends_on(small_grid, places):
    (task,) = small_grid(methods=("ei",))
    assert run_task(task, places) == "done"
    result = existing_result(task, places.results)
    assert result.recipe == task.recipe.model_dump(mode="json")
    n = len(result.psnr)
    assert n == len(result.ssim) == len(result.nfe) == len(result.residual) == len(result.converged) > 10
    assert result.tol == TOLERANCE
    assert all((r <= TOLERANCE) == c for r, c in zip(result.residual, result.converged, strict=True))
    assert result.data_hash != result.test_data_hash
    assert {"eiwork", "commit"} <= result.code.keys()
    assert result.n_parameters > 10
    assert [entry["step"] for entry in result.history] == [2, 4]
    forward = [entry["total_forward"] for entry in result.history]
    assert 0 < forward[0] < forward[1] == result.totals["total_forward"]
    assert result.history[-1]["seconds"] <= result.seconds
    assert progress_of(task, places) >= 1


def test_an_interrupted_run_continues_to_the_same_result(small_grid, places, tmp_path, monkeypatch):
    (task,) = small_grid(methods=("ei-jfb",))
    run_task(task, places)
    parts = task_module.Places(results=tmp_path / "other", work=tmp_path / "parts")
    trained = task_module.train

    def stop_after_two(*arguments, on_step, **options):
        return trained(*arguments, **options, on_step=lambda step, **values: on_step(step, **values) or step == 2)

    with monkeypatch.context() as patch:
        patch.setattr(task_module, "train", stop_after_two)
        assert run_task(task, parts) == "interrupted"
    assert existing_result(task, parts.results) is None
    assert json.loads((parts.training(task) / "state.json").read_text())["step"] == 2
    assert run_task(task, parts) == "done"
    whole, resumed = (existing_result(task, p.results) for p in (places, parts))
    assert kept(resumed) == kept(whole)


def test_a_training_after_random_bodies_trains_their_model_first_and_once(small_grid, places, monkeypatch, small):
    tasks = small_grid("inpainting", ("ei", "mc"), start="bodies")
    made = []
    trained, first_task = task_module.train, type(tasks[0]).before

    def before(task):
        first = first_task(task)
        return first and replace(first, recipe=first.recipe.with_overrides(**small("inpainting")))

    def train(recipe, *arguments, **options):
        made.append((recipe.name, recipe.start))
        return trained(recipe, *arguments, **options)

    monkeypatch.setattr(type(tasks[0]), "before", before)
    monkeypatch.setattr(task_module, "train", train)
    assert [run_task(task, places) for task in tasks] == ["done", "done"]
    start = str(places.training(before(tasks[0])))
    assert made == [
        ("inpainting-supervised+bodies-alone", None),
        ("inpainting-ei@bodies", start),
        ("inpainting-mc@bodies", start),
    ]
    assert existing_result(tasks[0], places.results).recipe["start"] == "inpainting-synthetic-deq"


def test_the_model_is_kept_where_asked_for_and_the_stop_file_ends_a_training(small_grid, places, tmp_path):
    (task,), (other,) = small_grid(methods=("ei",)), small_grid(methods=("ei",), optimiser__clip=0.5)
    places.work.mkdir()
    places.stop_file.touch()
    assert run_task(task, places) == "interrupted"
    assert not task.result_path(places.results).exists()
    places.stop_file.unlink()
    run_task(task, replace(places, models=tmp_path / "models"))
    kept_model = load_checkpoint(tmp_path / "models" / "mri" / "ei-0.safetensors")
    trained = load_checkpoint(places.training(task))
    assert places.training(task) != places.training(other), "another recipe trains elsewhere"
    assert kept_model.card == trained.card
    assert all(torch.equal(kept_model.weights[name], w) for name, w in trained.weights.items())


def test_a_run_is_done_once_and_one_of_another_recipe_replaced_only_on_request(small_grid, places, monkeypatch):
    (task,), (other,) = small_grid(methods=("inverse",)), small_grid(methods=("inverse",), data__n=9)
    run_task(other, places)
    with pytest.raises(DataFormatError, match=r"data\.n differ"):
        run_task(task, places)
    assert collect([task], places.results)[1][0].startswith(str(task.result_path(places.results)))
    assert run_task(task, places, replace_others=True) == "done"
    result = existing_result(task, places.results)
    assert result.recipe["data"]["n"] == 8
    monkeypatch.setattr(task_module, "evaluate", lambda *_, **__: pytest.fail("done again"))
    assert run_task(task, places) == "done"
    # Numbers are written with six digits, and what is none as null.
    path = places.results / "again.json"
    changed = result.model_copy(update={"psnr": [20.123456789] * len(result.psnr), "error_bound": [float("nan")]})
    task_module.save_result(path, changed)
    written = json.loads(path.read_text())
    assert written["psnr"][0] == 20.1235
    assert written["error_bound"] == [None]
    assert written["recipe"] == result.recipe


def test_golden_section_finds_the_top():
    calls = []
    x, value = golden_section(lambda x: calls.append(x) or -((x - 1.3) ** 2), -5.0, 4.0, tol=0.01)
    assert x == pytest.approx(1.3, abs=0.01)
    assert value == -((x - 1.3) ** 2)
    assert len(calls) < 20


# Fewer iterations: what is tested is the search.
WEIGHTED = [("mri", "tv", partial(TotalVariation, max_iter=100)), ("mri-coils", "cg-sense", ConjugateGradientSENSE)]


@pytest.mark.parametrize(("problem", "method", "build"), WEIGHTED)
def test_a_baseline_with_a_weight_gets_the_best_one(problem, method, build, small_grid, places, monkeypatch):
    monkeypatch.setitem(classical._WEIGHTED, method, build)
    monkeypatch.setattr(classical, "_N_TUNED", 2)
    (task,) = small_grid(problem, (method,), physics__noise_sigma=0.05)
    run_task(task, places)
    found = existing_result(task, places.results).details
    physics = task.recipe.build_physics()
    images = images_of_test(task.recipe, physics)[[0, -1]]
    for factor in (0.1, 10):
        other = evaluate({"it": build(found["weight"] * factor)}, physics, images.y, images.x)
        assert other.summary["it"]["psnr"] < found["psnr_of_tuning"]
    with pytest.raises(InputError, match="not a reconstruction"):
        inspect.unwrap(classical.classical_model)("magic", None, None)
