"""One run of the study: training that can be resumed, evaluation, one result file."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from eiwork.training.build_loss import build_reconstructor
from torch import nn

from eiwork import data
from eiwork.errors import DataFormatError
from eiwork.files import ensure_output_folder
from eiwork.models import DEQ
from eiwork.provenance import code_version, machine
from eiwork.training import build_physics, load_checkpoint, train
from eiwork.training.evaluation import evaluate_model
from eiwork.training.measurements import test_set
from eiwork.training.randomness import seeded
from eiwork_study.classical import classical_model
from eiwork_study.grid import Task
from eiwork_study.methods import is_classical
from eiwork_study.result import RunResult, differing_settings, load_result, save_result

Status = Literal["done", "interrupted"]
TOLERANCE, MAX_EVALUATIONS = 1e-4, 200
_PER_IMAGE = ("psnr", "ssim", "nfe", "residual", "converged", "sigma_min", "error_bound")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Folders of a study.

    results: result files. work: trainings under way and their checkpoints. models: where the checkpoint at the end of
    each training is kept, as problem/method-seed; None keeps it in `work` alone.
    """

    results: Path
    work: Path
    models: Path | None = None

    def training(self, task: Task) -> Path:
        """Where a task trains: another recipe has another folder."""
        digest = hashlib.sha256(task.recipe.model_dump_json().encode()).hexdigest()[:10]
        return self.work / task.problem / f"{task.method}-{task.seed}-{digest}"

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
    differing = differing_settings(task, result)
    if (result.problem, result.method, result.seed) != (task.problem, task.method, task.seed):
        differing = ["problem, method or seed", *differing]
    if differing:
        raise DataFormatError(
            f"{path} is the result of another recipe: {', '.join(differing[:6])} differ. Keep it and choose other "
            "--results, or replace it with --replace."
        )
    return result


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
    if is_classical(task.method):
        result = _reconstructed(task)
    else:
        folder = places.training(task)
        if not _trained(task, folder, device, places.stop_file.exists):
            return "interrupted"
        result = _evaluated(task, folder)
        if places.models is not None:
            kept = places.models / task.problem / f"{task.method}-{task.seed}"
            ensure_output_folder(kept.parent)
            load_checkpoint(folder).save(kept)
    save_result(path, result)
    return "done"


def _trained(task: Task, folder: Path, device: str, stop: Callable[[], bool]) -> bool:
    """Train to the last step, from where a previous run stopped; false where the stop file came first."""
    ensure_output_folder(folder)
    told = 0.0

    def tell(step: int, **_: Any) -> None:
        nonlocal told
        if time.monotonic() - told > 2:
            told = time.monotonic()
            (folder / "progress").write_text(str(step))

    result = train(
        task.recipe,
        folder,
        device=device,
        resume=(folder / "state.json").exists(),
        progress=False,
        on_step=tell,
        should_stop=stop,
        measure=False,
    )
    return not result.interrupted


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


def _evaluated(task: Task, folder: Path) -> RunResult:
    checkpoint, state = load_checkpoint(folder), json.loads((folder / "state.json").read_text())
    model = certified(checkpoint.model())
    physics = build_physics(task.recipe.physics, task.recipe.data.image_size)
    images = test_set(task.recipe, physics)
    with seeded(task.seed, "evaluation"):
        values = evaluate_model(build_reconstructor(task.recipe, model), images, physics)
    return _result(
        task,
        values,
        data_hash=checkpoint.card["data_hash"],
        n_parameters=sum(p.numel() for p in model.parameters()),
        history=state["history"],
        probes=state["probes"],
        totals=state["totals"],
        seconds=state["seconds"],
        cpu_seconds=state["cpu_seconds"],
    )


def _reconstructed(task: Task) -> RunResult:
    physics = build_physics(task.recipe.physics, task.recipe.data.image_size)
    images = test_set(task.recipe, physics)
    model, details = classical_model(task.method, images, physics)
    wall, cpu = time.monotonic(), time.process_time()
    values = evaluate_model(model, images, physics)
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
        seed=task.seed,
        recipe=task.recipe.model_dump(mode="json"),
        test_data_hash=data.data_hash(task.recipe.data.name, "test"),
        code=code_version(),
        machine=machine(),
        tol=values.get("tol"),
        **{key: values[key] for key in _PER_IMAGE if key in values},
        **fields,
    )


def forget_training(task: Task, places: Places) -> None:
    """Remove the training folder of a task, checkpoint and all."""
    shutil.rmtree(places.training(task), ignore_errors=True)
