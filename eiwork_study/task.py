"""One run of the study: training that can be resumed, evaluation, one result file."""

import hashlib
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from eiwork import data
from eiwork.errors import DataFormatError, RecipeError, listed
from eiwork.files import ensure_output_folder, write_text_atomically
from eiwork.models import DEQ
from eiwork.provenance import code_version, machine
from eiwork.results import RunResult, Runs, load_result
from eiwork.training import Recipe, evaluate, load_checkpoint, shipped_checkpoints, train
from eiwork.training.measurements import test_set
from eiwork_study.classical import classical_model
from eiwork_study.grid import Task
from eiwork_study.methods import start_name

Status = Literal["done", "interrupted"]
TOLERANCE, MAX_EVALUATIONS = 1e-4, 200
_PER_IMAGE = ("psnr", "ssim", "nfe", "residual", "converged", "sigma_min", "error_bound")
_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Places:
    """Folders of a study.

    results: result files. work: trainings under way and their checkpoints. models: where the checkpoint at the end of
    each training is kept, as PROBLEM/LABEL-SEED; None keeps it in `work` alone.
    """

    results: Path
    work: Path
    models: Path | None = None

    def training(self, task: Task) -> Path:
        """Where a task trains: another recipe has another folder."""
        digest = hashlib.sha256(task.recipe.model_dump_json().encode()).hexdigest()[:10]
        return self.work / f"{task.name}-{digest}"

    @property
    def stop_file(self) -> Path:
        """While it exists, tasks end after the step at hand."""
        return self.work / "stop"


def existing_result(task: Task, results: Path) -> RunResult | None:
    """The result of a task, None if there is none.

    Raises DataFormatError for a file that is damaged, foreign, or the result of another recipe.
    """
    path = task.result_path(results)
    if not path.exists():
        return None
    result = load_result(path)
    differing = differing_settings(task.recipe, result.recipe)
    if (result.problem, result.label, result.seed) != (task.problem, task.label, task.seed):
        differing = ["problem, method or seed", *differing]
    if differing:
        raise DataFormatError(
            f"{path} is the result of another recipe: {listed(differing)} differ. Keep it and choose other "
            "--results, or replace it with --replace."
        )
    return result


def collect(tasks: list[Task], results: Path) -> tuple[Runs, list[str]]:
    """The results of tasks that are there, and what is wrong with those that are damaged or of another recipe."""
    runs, wrong = [], []
    for task in tasks:
        try:
            runs.append(existing_result(task, results))
        except DataFormatError as error:
            wrong.append(str(error))
    return Runs(run for run in runs if run is not None), wrong


def run_task(task: Task, places: Places, *, device: str = "cpu", replace_others: bool = False) -> Status:
    """Do a task, or what is left of it, and write its result; a task with a result of its recipe is done already.

    "interrupted": the stop file ended it; called again it continues, to the same bits. replace_others: overwrite a
    result of another recipe and a damaged one, instead of DataFormatError.
    """
    torch.set_num_threads(1)
    try:
        if existing_result(task, places.results) is not None:
            return "done"
    except DataFormatError:
        if not replace_others:
            raise
    path = task.result_path(places.results)
    ensure_output_folder(path.parent, DataFormatError)
    if not task.trained:
        result = _reconstructed(task)
    else:
        if not _trained(task, places, device):
            return "interrupted"
        folder = places.training(task)
        result = _evaluated(task, folder)
        if places.models is not None:
            kept = places.models / task.name
            ensure_output_folder(kept.parent)
            load_checkpoint(folder).save(kept)
    save_result(path, result)
    return "done"


def ensure_start(task: Task, places: Places, device: str = "cpu") -> bool:
    """Train a model that others begin with, unless it comes with the package; false where the stop file came first."""
    shipped = start_name(task.problem, task.seed) in shipped_checkpoints()
    return shipped or _trained(task, places, device)


def _trained(task: Task, places: Places, device: str) -> bool:
    """Train to the last step, from where a previous run stopped; false where the stop file came first."""
    recipe, before = task.recipe, task.before()
    if before is not None:
        if not ensure_start(before, places, device):
            return False
        if recipe.start not in shipped_checkpoints():
            recipe = recipe.with_overrides(start=str(places.training(before)))
    folder = places.training(task)
    if (folder / "done").exists():
        return True
    ensure_output_folder(folder)
    told = 0.0

    def tell(step: int, **_: Any) -> bool:
        nonlocal told
        if time.monotonic() - told > 2:
            told = time.monotonic()
            (folder / "progress").write_text(str(step))
        return places.stop_file.exists()

    resume = (folder / "state.json").exists()
    run = train(recipe, folder, device=device, resume=resume, progress=False, on_step=tell)
    if not run.interrupted:
        (folder / "done").touch()
    return not run.interrupted


def progress_of(task: Task, places: Places) -> int:
    """Optimiser steps that a task has told of so far."""
    try:
        return int((places.training(task) / "progress").read_text())
    except (OSError, ValueError):
        return 0


def certified(model: nn.Module, tol: float | int = TOLERANCE, max_iter: int = MAX_EVALUATIONS) -> nn.Module:
    """The model with its solver set to a tolerance, where it is a DEQ."""
    if isinstance(model, DEQ):
        model.solver = replace(model.solver, tol=float(tol), max_iter=max_iter)
    return model


def measured_with(model: nn.Module, recipe: Recipe) -> dict[str, Any]:
    """What `evaluate` measures of a model on the test images of a recipe, one value per image."""
    physics = recipe.build_physics()
    images = test_set(recipe, physics)
    return evaluate({"model": model}, physics, images.y, images.x, seed=recipe.seed).values["model"]


def _evaluated(task: Task, folder: Path) -> RunResult:
    checkpoint = load_checkpoint(folder)
    model, card = certified(checkpoint.model()), checkpoint.card
    last = card["history"][-1]
    return _result(
        task,
        measured_with(model, task.recipe),
        data_hash=card["data_hash"],
        n_parameters=sum(p.numel() for p in model.parameters()),
        history=card["history"],
        totals=card["totals"],
        seconds=last["seconds"],
        cpu_seconds=last["cpu_seconds"],
    )


def _reconstructed(task: Task) -> RunResult:
    physics = task.recipe.build_physics()
    images = test_set(task.recipe, physics)
    model, details = classical_model(task.method, images, physics)
    wall, cpu = time.monotonic(), time.process_time()
    values = measured_with(model, task.recipe)
    return _result(
        task,
        values,
        data_hash=data.data_hash(task.recipe.data.name, "train"),
        n_parameters=0,
        details=details,
        seconds=time.monotonic() - wall,
        cpu_seconds=time.process_time() - cpu,
    )


def _result(task: Task, values: dict[str, Any], **fields: Any) -> RunResult:
    return RunResult(
        problem=task.problem,
        method=task.method,
        start=task.start,
        variant=task.variant,
        seed=task.seed,
        recipe=task.recipe.model_dump(mode="json"),
        test_data_hash=data.data_hash(task.recipe.data.name, "test"),
        code=code_version(),
        machine=machine(),
        tol=values.get("tol"),
        **{key: values[key] for key in _PER_IMAGE if key in values},
        **fields,
    )


def save_result(path: Path, result: RunResult) -> Path:
    """Write a result, complete or not at all, numbers with six significant digits; DataFormatError if it cannot."""
    values = _rounded(result.model_dump(mode="json", exclude_none=True))
    return write_text_atomically(path, json.dumps(values, sort_keys=True) + "\n", DataFormatError)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # A certificate that a solve could not give is not a number, for which JSON has no word.
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        # The recipe is compared later on: its numbers stay as they are.
        return {key: inner if key == "recipe" else _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def differing_settings(recipe: Recipe, written: dict[str, Any]) -> list[str]:
    """The settings in which a written recipe is not this one, as dotted names; name and summary do not count."""
    try:
        # Parsed: a setting that is not written has its default.
        values = Recipe.parse(written).model_dump(mode="json")
    except RecipeError:
        values = written
    return sorted(_differences(recipe.model_dump(mode="json"), values))


def _differences(one: Any, other: Any, path: str = "") -> set[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        found: set[str] = set()
        for key in one.keys() | other.keys():
            if path or key not in ("name", "summary"):
                inner = f"{path}.{key}" if path else key
                found |= _differences(one.get(key), other.get(key), inner)
        return found
    return set() if one == other else {path}
