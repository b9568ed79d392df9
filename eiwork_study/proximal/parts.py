"""The parts of the proximal analysis, each one small file for a subject and seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from eiwork.errors import InputError
from eiwork.provenance import code_version, machine
from eiwork.training import Recipe
from eiwork_study.problems import base_recipe
from eiwork_study.proximal.along import along
from eiwork_study.proximal.elsewhere import compare_elsewhere
from eiwork_study.proximal.likes import CORRUPTIONS, curvature, prior_rise
from eiwork_study.proximal.measure import load_json, proximal_report, rounded, test_images
from eiwork_study.proximal.projection import compare_projections
from eiwork_study.proximal.report import AnalysisSettings
from eiwork_study.proximal.subjects import Subject
from eiwork_study.proximal.survey import subject_of

PARTS = ("survey", "along", "elsewhere", "projection", "likes")
_FORMAT = "eiwork-proximal-{}-1"
_FEW, _MORE = 8, 16
# Fifty images average what few probes of each leave uncertain.
SURVEY = AnalysisSettings(probes=4, krylov_size=40)


def part_path(results: Path, problem: str, part: str, name: str, seed: int) -> Path:
    """Where a part's file lies; raises InputError for an unknown part."""
    if part not in PARTS:
        raise InputError(f"There is no part {part!r} of the proximal analysis; choose from {', '.join(PARTS)}.")
    return results / problem / part / f"{name}-{seed}.json"


def make_part(
    part: str,
    problem: str,
    name: str,
    seed: int,
    *,
    models: Path,
    work: Path,
    settings: AnalysisSettings | None = None,
) -> dict[str, Any]:
    """One part for one subject and seed, ready for a file.

    models: checkpoints PROBLEM/METHOD-SEED. work: of the training that "along" looks at. settings: of "survey"
    (SURVEY by default) and "along" (light). Raises InputError for an unknown part.
    """
    if part == "along":
        return rounded(along(problem, name, seed, work / problem / f"{name}-{seed}", settings=settings))
    recipe, subject = base_recipe(problem), subject_of(problem, name, seed, models)
    if part == "survey":
        return proximal_report(subject, recipe, seed=seed, settings=settings or SURVEY)
    if part not in _ROWS:
        raise InputError(f"There is no part {part!r} of the proximal analysis; choose from {', '.join(PARTS)}.")
    return rounded(
        {
            "format": _FORMAT.format(part),
            "problem": problem,
            "subject": name,
            "title": subject.title,
            "seed": seed,
            "recipe": recipe.model_dump(mode="json"),
            "code": code_version(),
            "machine": machine(),
            "rows": _ROWS[part](subject, recipe, seed),
        }
    )


def load_part(path: Path, part: str) -> dict[str, Any]:
    """Read the file of a part other than the survey; DataFormatError names one that is missing or something else."""
    return load_json(path, _FORMAT.format(part))


def _elsewhere(subject: Subject, recipe: Recipe, seed: int) -> list[dict[str, Any]]:
    return compare_elsewhere(subject, recipe, test_images(recipe, _FEW)[0], seed=seed)


def _projection(subject: Subject, recipe: Recipe, seed: int) -> list[dict[str, Any]]:
    return compare_projections(subject, recipe, n_images=_MORE, seed=seed)


def _likes(subject: Subject, recipe: Recipe, seed: int) -> list[dict[str, Any]]:
    """A row for each corruption and strength, and one for the curvature."""
    images = test_images(recipe, _MORE)[0]
    rows: list[dict[str, Any]] = []
    for corruption, (_, strengths) in CORRUPTIONS.items():
        for strength in strengths:
            generator = torch.Generator().manual_seed(seed)
            found = prior_rise(subject.denoiser, images, corruption, strength, generator=generator)
            numbers = {key: value.tolist() for key, value in vars(found).items()}
            rows.append({"corruption": corruption, "strength": strength, **numbers})
    ends = curvature(subject.denoiser, images[:_FEW], generator=torch.Generator().manual_seed(seed))
    rows.append({"curvature": {"largest": ends.largest.tolist(), "smallest": ends.smallest.tolist()}})
    return rows


_ROWS: dict[str, Callable[[Subject, Recipe, int], list[dict[str, Any]]]] = {
    "elsewhere": _elsewhere,
    "projection": _projection,
    "likes": _likes,
}
