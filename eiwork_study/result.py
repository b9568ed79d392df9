"""The result of one run, as a small JSON file that says everything it depends on."""

import json
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eiwork.errors import DataFormatError, RecipeError
from eiwork.files import write_text_atomically
from eiwork.training import Recipe
from eiwork_study.grid import Task

FORMAT: Literal["eiwork-run-1"] = "eiwork-run-1"
_DIGITS = 6


class RunResult(BaseModel):
    """One run of a study.

    psnr (dB), ssim, and for a DEQ nfe, residual, converged, sigma_min, error_bound: one value per test image, the
    solves at tolerance `tol`. history: the training's monitored steps, with held-out figures, times and
    evaluations so far. totals: evaluations of the whole training. seconds, cpu_seconds: of the training's steps (for a
    method without training: of its reconstructions). details: what a method without training chose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["eiwork-run-1"] = FORMAT
    problem: str
    method: str
    seed: int
    recipe: dict[str, Any]
    data_hash: str
    test_data_hash: str
    code: dict[str, Any]
    machine: dict[str, Any]
    n_parameters: int
    psnr: list[float] = Field(min_length=1)
    ssim: list[float]
    nfe: list[int] | None = None
    residual: list[float] | None = None
    converged: list[bool] | None = None
    sigma_min: list[float | None] | None = None
    error_bound: list[float | None] | None = None
    tol: float | None = None
    history: list[dict[str, float]] = []
    probes: list[dict[str, float]] = []
    totals: dict[str, float] = {}
    seconds: float
    cpu_seconds: float
    details: dict[str, Any] = {}

    @model_validator(mode="after")
    def _agrees(self) -> "RunResult":
        for name in ("ssim", "nfe", "residual", "converged", "sigma_min", "error_bound"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.psnr):
                raise ValueError(f"{name} has {len(values)} values for {len(self.psnr)} images")
        return self


def save_result(path: Path, result: RunResult) -> Path:
    """Write a result, complete or not at all, numbers with six significant digits; DataFormatError if it cannot."""
    values = _rounded(result.model_dump(mode="json", exclude_none=True))
    return write_text_atomically(path, json.dumps(values, sort_keys=True) + "\n", DataFormatError)


def load_result(path: Path) -> RunResult:
    """Read a result; raises DataFormatError naming the file where it is missing, damaged or something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataFormatError(f"{path} does not exist: this run is not done. `eiwork reproduce` writes it.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataFormatError(
            f"{path} cannot be read as JSON ({error}): it is damaged. Delete it and run the study again."
        ) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataFormatError(
            f"{path} is not a result of format {FORMAT}: it belongs to something else. Move it elsewhere."
        )
    try:
        return RunResult.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise DataFormatError(
            f"{path} is damaged or of another version: {where}: {first['msg']}. Delete it and run the study again."
        ) from None


def differing_settings(task: Task, result: RunResult) -> list[str]:
    """The settings in which a result's recipe is not the task's, as dotted names; its name and summary do not count."""
    try:
        # Parsed: a result from before a setting existed means that setting's default.
        values = Recipe.parse(result.recipe).model_dump(mode="json")
    except RecipeError:
        values = result.recipe
    return sorted(_differences(task.recipe.model_dump(mode="json"), values))


def _differences(one: Any, other: Any, path: str = "") -> set[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        found: set[str] = set()
        for key in one.keys() | other.keys():
            if path or key not in ("name", "summary"):
                inner = f"{path}.{key}" if path else key
                found |= _differences(one.get(key), other.get(key), inner)
        return found
    return set() if one == other else {path}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # A certificate that a solve could not give is not a number, for which JSON has no word.
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        # The recipe is compared later on: its numbers stay as they are.
        return {key: inner if key == "recipe" else _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
