"""Runs of the study: one small JSON file each, METHOD[+VARIANT][@START]-SEED.json in results/runs/PROBLEM."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import eiwork
from eiwork.errors import DataFormatError, InputError

FORMAT = "eiwork-run-2"
_PER_IMAGE = ("ssim", "nfe", "residual", "converged", "sigma_min", "error_bound")
TITLES = {
    "inverse": "linear inverse",
    "fbp": "filtered back-projection",
    "cg-sense": "CG-SENSE, tuned on the test set",
    "tv": "total variation, tuned on the test set",
    "supervised": "supervised",
    "ei": "EI",
    "ei-jfb": "EI Jacobian-free",
    "ei-phantom": "EI, phantom gradients",
    "ei-unrolled": "EI unrolled",
    "mc": "measurements only (MC)",
    "robust-ei": "robust EI",
    "ei-cycle": "EI with the cycle (ours)",
}
_STARTS = {"bodies": "random bodies first (ours)"}


class RunResult(BaseModel):
    """One run: a method on a problem with a seed; `start` and `variant` say how it differs from the method's own way.

    psnr (dB), ssim, and for a DEQ nfe, residual, converged, sigma_min, error_bound: one value per test image, solved to
    `tol`. history: the training's monitored steps, with held-out figures, times and evaluations so far. totals:
    evaluations of the whole training. seconds, cpu_seconds: of the training's steps (without training: of the
    reconstructions). details: what a method without training chose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["eiwork-run-2"] = "eiwork-run-2"
    problem: str
    method: str
    start: str | None = None
    variant: str | None = None
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
    totals: dict[str, float] = {}
    seconds: float
    cpu_seconds: float
    details: dict[str, Any] = {}

    @model_validator(mode="after")
    def _agrees(self) -> "RunResult":
        for name in _PER_IMAGE:
            values = getattr(self, name)
            if values is not None and len(values) != len(self.psnr):
                raise ValueError(f"{name} has {len(values)} values for {len(self.psnr)} images")
        return self

    @property
    def label(self) -> str:
        """As `label_of`."""
        return label_of(self.method, self.start, self.variant)


@dataclass(frozen=True)
class Runs:
    """The runs of one method on one problem, by seed; at least one."""

    runs: tuple[RunResult, ...]

    @property
    def problem(self) -> str:
        """Its name."""
        return self.runs[0].problem

    @property
    def label(self) -> str:
        """As `label_of`."""
        return self.runs[0].label

    @property
    def title(self) -> str:
        """The method in words."""
        first = self.runs[0]
        return title_of(first.method, first.start, first.variant)

    @property
    def trained(self) -> bool:
        """Whether there was anything to train."""
        return self.runs[0].n_parameters > 0

    def values(self, quantity: str = "psnr") -> Float[np.ndarray, "training image"]:
        """psnr (dB) or ssim of every test image; raises InputError for another quantity."""
        if quantity not in ("psnr", "ssim"):
            raise InputError(f"There is no quantity {quantity!r}; choose psnr or ssim.")
        return np.asarray([getattr(run, quantity) for run in self.runs], dtype=np.float64)

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[RunResult]:
        return iter(self.runs)

    def __repr__(self) -> str:
        seeds = ", ".join(str(run.seed) for run in self.runs)
        return f"{self.problem}: {self.title}, {self.values().mean():.2f} dB, seeds {seeds}"


@dataclass(frozen=True)
class Collection:
    """Runs, and what was wrong with those that cannot be used."""

    runs: tuple[RunResult, ...]
    problems_found: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """Problems with a run, in the order of the runs."""
        return list(dict.fromkeys(run.problem for run in self.runs))

    def labels(self, problem: str) -> list[str]:
        """Labels with a run on a problem, in the order of `TITLES`."""
        order = list(TITLES)
        own = [run for run in self.runs if run.problem == problem]
        own.sort(key=lambda run: order.index(run.method) if run.method in order else len(order))
        return list(dict.fromkeys(run.label for run in own))

    def of(self, problem: str, label: str) -> list[RunResult]:
        """Runs of a label (see `label_of`) on a problem, by seed; none where there are none."""
        found = [run for run in self.runs if run.problem == problem and run.label == label]
        return sorted(found, key=lambda run: run.seed)

    def get(self, problem: str, label: str) -> Runs:
        """The same; raises InputError naming what there is where there is no run."""
        found = self.of(problem, label)
        if found:
            return Runs(tuple(found))
        known = self.labels(problem)
        if not known:
            raise InputError(f"There is no run of problem {problem!r}; choose from {', '.join(self.problems())}.")
        raise InputError(f"There is no run of {label!r} on {problem!r}; choose from {', '.join(known)}.")


def label_of(method: str, start: str | None = None, variant: str | None = None) -> str:
    """METHOD[+VARIANT][@START], as result files and tables call it."""
    return method + (f"+{variant}" if variant else "") + (f"@{start}" if start else "")


def title_of(method: str, start: str | None = None, variant: str | None = None) -> str:
    """A method in words, with its variant (hyphens become spaces, but not those of 8e-3) and its start."""
    parts = [TITLES.get(method, method)]
    parts += [re.sub(r"(?<![0-9]e)-", " ", variant)] if variant else []
    return ", ".join(parts + ([_STARTS.get(start, start)] if start else []))


def results_folder() -> Path:
    """The folder `results/` of the source checkout; raises DataFormatError where there is none."""
    folder = Path(eiwork.__file__).resolve().parents[1] / "results"
    if not (folder / "runs").is_dir():
        raise DataFormatError(
            f"The results of the study are not here: {folder / 'runs'} does not exist. They come with the source "
            "checkout of eiwork, not with the installed package; `eiwork-study reproduce` makes them anew."
        )
    return folder


def committed(folder: Path | None = None) -> Collection:
    """Every run in a folder of results, by default the committed ones.

    Raises DataFormatError for a missing folder and for a damaged file.
    """
    place = results_folder() if folder is None else folder
    return Collection(tuple(load_result(path) for path in sorted((place / "runs").glob("*/*.json"))))


def load(
    problem: str, method: str, *, start: str | None = None, variant: str | None = None, folder: Path | None = None
) -> Runs:
    """The runs of a method on a problem, such as EI that began with bodies; raises InputError where there are none."""
    return labelled(problem, label_of(method, start, variant), folder)


def labelled(problem: str, label: str, folder: Path | None = None) -> Runs:
    """As `load`, by label; reads no other run."""
    place = results_folder() if folder is None else folder
    paths = (place / "runs" / problem).glob(f"{label}-*.json")
    found = [load_result(path) for path in sorted(paths) if path.stem.rpartition("-")[0] == label]
    return Collection(tuple(found)).get(problem, label) if found else committed(folder).get(problem, label)


def load_result(path: Path) -> RunResult:
    """Read a result; raises DataFormatError naming the file where it is missing, damaged or something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataFormatError(f"{path} does not exist: run `eiwork-study reproduce` for it.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataFormatError(
            f"{path} cannot be read as JSON ({error}): it is damaged. Delete it and run the study again."
        ) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataFormatError(f"{path} is not a result of format {FORMAT}: it is older or foreign. Move it elsewhere.")
    try:
        return RunResult.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise DataFormatError(
            f"{path} is damaged or of another version: {where}: {first['msg']}. Delete it and run the study again."
        ) from None
