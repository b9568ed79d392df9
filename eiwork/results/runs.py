"""Runs of the study: one small JSON file each, METHOD[+VARIANT][@START]-SEED.json in results/runs/PROBLEM."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import eiwork
from eiwork.errors import DataFormatError, InputError, choices

FORMAT: Literal["eiwork-run-2"] = "eiwork-run-2"
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

    format: Literal["eiwork-run-2"] = FORMAT
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
        for name in ("ssim", "nfe", "residual", "converged", "sigma_min", "error_bound"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.psnr):
                raise ValueError(f"{name} has {len(values)} values for {len(self.psnr)} images")
        return self

    @property
    def label(self) -> str:
        """As `label_of`."""
        return label_of(self.method, self.start, self.variant)


class Runs(tuple[RunResult, ...]):
    """Some runs, of a whole study or, as `get` and `load` give them, of one method on one problem by seed."""

    __slots__ = ()

    def problems(self) -> list[str]:
        """Problems with a run, in the order of the runs."""
        return list(dict.fromkeys(run.problem for run in self))

    def labels(self, problem: str) -> list[str]:
        """Labels with a run on a problem, in the order of `TITLES`."""
        own = [run for run in self if run.problem == problem]
        own.sort(key=lambda run: [*TITLES, run.method].index(run.method))
        return list(dict.fromkeys(run.label for run in own))

    def of(self, problem: str, label: str) -> "Runs":
        """Runs of a label (see `label_of`) on a problem, by seed; none where there are none."""
        found = [run for run in self if run.problem == problem and run.label == label]
        return Runs(sorted(found, key=lambda run: run.seed))

    def get(self, problem: str, label: str) -> "Runs":
        """The same; raises InputError naming what there is where there is no run."""
        found, known = self.of(problem, label), self.labels(problem)
        if not known:
            told = choices(problem, self.problems(), "Runs.problems()")
            raise InputError(f"There is no run of problem {problem!r}: {told}.")
        if not found:
            told = choices(label, known, f"results.committed().labels({problem!r})")
            raise InputError(f"There is no run of {label!r} on {problem!r}: {told}.")
        return found

    @property
    def title(self) -> str:
        """One method in words, with its variant (hyphens become spaces, but not those of 8e-3) and its start."""
        return title_of(self[0].method, self[0].start, self[0].variant)

    @property
    def trained(self) -> bool:
        """Whether there was anything to train."""
        return self[0].n_parameters > 0

    @property
    def seeds(self) -> set[int]:
        """Those that were run."""
        return {run.seed for run in self}

    def values(self, quantity: str = "psnr") -> Float[np.ndarray, "training image"]:
        """psnr (dB) or ssim of every test image; raises InputError for another quantity."""
        if quantity not in ("psnr", "ssim"):
            raise InputError(f"There is no quantity {quantity!r}; choose psnr or ssim.")
        return np.asarray([getattr(run, quantity) for run in self], dtype=np.float64)

    def __repr__(self) -> str:
        if len({(run.problem, run.label) for run in self}) != 1:
            return f"{len(self)} runs of {', '.join(self.problems())}"
        return f"{self[0].problem}: {self.title}, {self.values().mean():.2f} dB, seeds {str(sorted(self.seeds))[1:-1]}"


def label_of(method: str, start: str | None = None, variant: str | None = None) -> str:
    """METHOD[+VARIANT][@START], as result files and tables call it."""
    return method + (f"+{variant}" if variant else "") + (f"@{start}" if start else "")


def title_of(method: str, start: str | None = None, variant: str | None = None) -> str:
    """As `Runs.title`."""
    parts = [TITLES.get(method, method)]
    parts += [re.sub(r"(?<![0-9]e)-", " ", variant)] if variant else []
    return ", ".join(parts + ([_STARTS.get(start, start)] if start else []))


def results_folder() -> Path:
    """The folder `results/` of the source checkout; raises DataFormatError where there is none."""
    folder = Path(eiwork.__file__).resolve().parents[1] / "results"
    if (folder / "runs").is_dir():
        return folder
    raise DataFormatError(
        f"The results of the study are not here: {folder / 'runs'} does not exist. They come with the source checkout "
        "of eiwork, not with the installed package; `eiwork-study reproduce` makes them anew."
    )


def committed(folder: Path | None = None, pattern: str = "*/*.json") -> Runs:
    """Every run in a folder of results, by default the committed ones; pattern: of the files in its `runs/`.

    Raises DataFormatError for a missing folder and for a damaged file.
    """
    place = results_folder() if folder is None else folder
    return Runs(load_result(path) for path in sorted((place / "runs").glob(pattern)))


def load(
    problem: str, method: str, *, start: str | None = None, variant: str | None = None, folder: Path | None = None
) -> Runs:
    """The runs of a method, such as EI that began with bodies, on a problem; raises InputError where there are none.

    method: its name or a whole label. Other runs are read only to say what there is.
    """
    label = label_of(method, start, variant)
    found = committed(folder, f"{problem or '*'}/{label}-[0-9]*.json").of(problem, label)
    return found or committed(folder).get(problem, label)


def load_result(path: Path) -> RunResult:
    """Read a result; raises DataFormatError naming the file where it is missing, damaged or something else."""
    try:
        return RunResult.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise DataFormatError(
        f"{path} is no result of format {FORMAT} ({reason}): it is missing, damaged, older or foreign. Move what is "
        "there elsewhere, and `eiwork-study reproduce` makes it anew."
    )
