"""Does the training make the operator proximal? The light report at steps along one training."""

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eiwork.errors import CheckpointError, ConvergenceWarning, InputError
from eiwork.files import write_text_atomically
from eiwork.provenance import code_version, machine
from eiwork.training import Recipe, build_physics, load_checkpoint, train
from eiwork.training.evaluation import evaluate_model
from eiwork.training.measurements import clean_images, test_set
from eiwork_study.methods import method_recipe
from eiwork_study.proximal.measure import proximal_report
from eiwork_study.proximal.report import AnalysisSettings
from eiwork_study.proximal.subjects import Subject, control, trained
from eiwork_study.proximal.table import STATISTICS, values
from eiwork_study.variants import with_seed

FORMAT = "eiwork-proximal-along-1"
_N_IMAGES = 8


def steps_to_look_at(total: int, n: int = 20) -> list[int]:
    """0 and n further steps up to `total`, denser at the start, where most happens; fewer where steps run out.

    Raises InputError for fewer than two steps or looks.
    """
    if total < 2 or n < 2:
        raise InputError(f"steps_to_look_at({total}, {n}): at least two steps and two looks.")
    return sorted({0, *np.round(total * np.linspace(0, 1, n + 1)[1:] ** 2).astype(int).clip(1).tolist()})


def along(
    problem: str,
    method: str,
    seed: int,
    folder: Path,
    *,
    n: int = 20,
    settings: AnalysisSettings | None = None,
    overrides: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train a method's recipe and measure its averaged weights on the way; ready for a file.

    folder: of the training; an interrupted call continues there. overrides: fields of the recipe. Keys: format,
    problem, method, seed, recipe, code, machine, rows of step, psnr (dB, mean over a few test images) and the mean over
    images of each statistic. Step 0 is the network before training. The training is the same, bit for bit, as one that
    nobody looked at. Raises CheckpointError where `folder` holds another training.
    """
    recipe = with_seed(method_recipe(problem, method), seed).with_overrides(**(overrides or {}))
    light = AnalysisSettings.light() if settings is None else settings
    place = folder / "along.json"
    rows: list[dict[str, Any]] = json.loads(place.read_text()) if place.exists() else []
    for step in steps_to_look_at(recipe.steps, n)[len(rows) :]:
        subject = _at_step(recipe, method, folder, step)
        rows.append({"step": step, **_row(subject, recipe, seed, light)})
        write_text_atomically(place, json.dumps(rows), CheckpointError)
    return {
        "format": FORMAT,
        "problem": problem,
        "method": method,
        "seed": seed,
        "recipe": recipe.model_dump(mode="json"),
        "settings": asdict(light),
        "code": code_version(),
        "machine": machine(),
        "rows": rows,
    }


def _at_step(recipe: Recipe, method: str, folder: Path, step: int) -> Subject:
    """The model after so many steps, trained on from where the folder's training stands."""
    if step == 0:
        return control("initial", recipe, clean_images(recipe), recipe.seed)
    state = folder / "state.json"
    reached = json.loads(state.read_text())["step"] if state.exists() else 0

    def count(now: int, **_: Any) -> None:
        nonlocal reached
        reached = now

    result = train(
        recipe,
        folder,
        device="cpu",
        resume=state.exists(),
        progress=False,
        on_step=count,
        should_stop=lambda: reached >= step,
        measure=False,
    )
    if reached < step and result.interrupted:
        raise KeyboardInterrupt
    return trained(load_checkpoint(folder), method)


def _row(subject: Subject, recipe: Recipe, seed: int, settings: AnalysisSettings) -> dict[str, float]:
    report = proximal_report(subject, recipe, seed=seed, settings=settings)
    found = {name: values(report, name) for name in STATISTICS}
    row = {name: float(np.mean(numbers)) for name, numbers in found.items() if numbers is not None}
    physics = build_physics(recipe.physics, recipe.data.image_size)
    images = test_set(recipe, physics)
    few = images[torch.linspace(0, len(images) - 1, min(_N_IMAGES, len(images))).round().long()]
    with warnings.catch_warnings():
        # How many solves converge is the study's question; here a number beside the statistics is enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        psnr = evaluate_model(subject.model, few, physics)["psnr"]
    return {"psnr": float(np.mean(psnr)), **row}
