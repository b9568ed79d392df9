"""Everything that can be measured of a problem: the trained DEQs in a folder of models, and the controls."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eiwork.errors import CheckpointError, InputError
from eiwork.training import load_checkpoint
from eiwork.training.measurements import clean_images
from eiwork_study.problems import base_recipe
from eiwork_study.proximal.subjects import Subject, control, controls, trained
from eiwork_study.proximal.table import ProximalRow

METHODS = ("supervised", "ei", "ei-stopped", "ei-cycle", "ei-jfb", "ei-cycle-jfb", "mc", "ei-convex")


def wanted(
    problem: str, models: Path, seeds: int, subjects: Sequence[str] | None = None, part: str = "survey"
) -> list[tuple[str, int]]:
    """(subject, seed), seeds outermost: controls, and the methods whose model is in `models`/PROBLEM.

    subjects: names to choose; None for all there are. part: "along" trains on its own and looks at methods alone, by
    default at EI. Raises InputError for an unknown problem or subject, a control where there is no training, and a
    method that was asked for by name and has no model of any seed.
    """
    base_recipe(problem)
    known = (*METHODS, *controls())
    unknown = [name for name in subjects or () if name not in known]
    if unknown:
        raise InputError(f"There is no subject {unknown[0]!r}; choose from {', '.join(known)}.")
    if part == "along":
        if wrong := [name for name in subjects or () if name in controls()]:
            raise InputError(f"{wrong[0]!r} is a control: there is no training to look along.")
        return [(name, seed) for seed in range(seeds) for name in subjects or ("ei",)]
    found = [
        (name, seed)
        for seed in range(seeds)
        for name in subjects or known
        if name in controls() or _model(problem, name, seed, models).exists()
    ]
    for name in subjects or ():
        if name not in {subject for subject, _ in found}:
            raise InputError(
                f"{_model(problem, name, 0, models)} does not exist: `eiwork reproduce --problems {problem} --methods "
                f"{name} --seeds {seeds} --models {models}` makes it."
            )
    return found


def subject_of(problem: str, name: str, seed: int, models: Path) -> Subject:
    """A subject by name and seed; raises CheckpointError for a model of another problem or seed."""
    recipe = base_recipe(problem)
    if name in controls():
        return control(name, recipe, clean_images(recipe), seed)
    path = _model(problem, name, seed, models)
    checkpoint = load_checkpoint(path)
    if checkpoint.recipe.seed != seed or checkpoint.recipe.physics != recipe.physics:
        raise CheckpointError(f"{path} is a model of another seed or problem: {checkpoint.recipe.name}.")
    return trained(checkpoint, name)


def as_data(rows: dict[str, dict[str, ProximalRow]]) -> list[dict[str, Any]]:
    """Rows as plain values, for JSON."""
    return [asdict(row) for own in rows.values() for row in own.values()]


def _model(problem: str, name: str, seed: int, models: Path) -> Path:
    return models / problem / f"{name}-{seed}.safetensors"
