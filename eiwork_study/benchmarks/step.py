"""One EI training step in tomography: wall clock of every library at equal measured accuracy, turn and turn about."""

import dataclasses
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

import deepinv
import torch
from deepinv.physics import LinearPhysics
from torch import Tensor

from eiwork import data
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
from eiwork.physics import tomography
from eiwork.training import load_checkpoint
from eiwork_study.benchmarks.library import Library, Setting
from eiwork_study.benchmarks.nfe import shortlist
from eiwork_study.benchmarks.outcome import Bar, Outcome, ratio
from eiwork_study.benchmarks.problem import Problem
from eiwork_study.benchmarks.search import Search, Trial, try_setting

_LIMITS = {"deepinv, own operators": 8.0, "deepinv": 2.0}
# Trained without noise on 12 views; kept as it was when the committed figures were measured.
_MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """The step: image side, views, batch, accuracy of the gradient; `repeats` interleaved rounds are timed.

    The shipped operator was trained inside another data step (12 views, 64x64) and expands a little in this one: its
    learnt part is multiplied by `learnt_scale`, and gamma is `step_size`, which gives a spectral radius of 0.99.
    """

    image_size: int = 128
    n_views: int = 50
    batch: int = 8
    accuracy: float = 1e-2
    repeats: int = 7
    model: str = "ct-noise-free-ei-deq"
    learnt_scale: float = 0.9
    step_size: float = 1.6
    seed: int = 0


def problem(
    settings: StepSettings, physics: LinearPhysics | None = None, exact_physics: LinearPhysics | None = None
) -> Problem:
    """The step's problem with our operators, or with others of the same geometry (and their form in float64)."""
    model = load_checkpoint(_MODELS / settings.model).model()
    assert isinstance(model, DEQ)
    denoiser = cast(ProximalGradient, model.iterate).denoiser
    assert isinstance(denoiser, ResidualCNN)
    with torch.no_grad():
        for parameter in denoiser.network[-1].parameters():
            parameter.mul_(settings.learnt_scale)
    images = data.load("ct", "test", settings.image_size)
    generator = torch.Generator().manual_seed(settings.seed)
    x = images[torch.randperm(len(images), generator=generator)[: settings.batch]]
    angles = 360 * torch.rand(settings.batch, generator=generator) - 180
    operators = tomography(settings.image_size, settings.n_views) if physics is None else physics
    return Problem(
        denoiser, settings.step_size, operators, operators.A(x), x, angles, "ei", exact_physics=exact_physics
    )


def deepinv_operators(settings: StepSettings) -> LinearPhysics:
    """deepinv's own tomography of the geometry, with norm 1."""
    return deepinv.physics.Tomography(angles=settings.n_views, img_width=settings.image_size, normalize=True)


class SinglePrecision(LinearPhysics):
    """Operators that know float32 alone, inside a float64 computation: deepinv's tomography cannot be converted."""

    def __init__(self, physics: LinearPhysics) -> None:
        super().__init__()
        self.physics = physics

    def A(self, x: Tensor, **kwargs: object) -> Tensor:
        """A x, rounded to float32."""
        return self.physics.A(x.float()).to(x.dtype)

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Tensor:
        """A^T y, rounded to float32."""
        return self.physics.A_adjoint(y.float()).to(y.dtype)


def find_settings(
    libraries: Sequence[Library], step: Problem, reference: Sequence[Tensor], accuracy: float
) -> dict[str, Trial]:
    """The quickest trial of each library that reaches the accuracy; a library without one is left out."""
    one = dataclasses.replace(step, y=step.y[:1], x=step.x[:1], angles=step.angles[:1], loss="supervised")
    one_reference = one.reference(tol=1e-7)
    found = {}
    for library in libraries:
        search = Search(library, step, reference, accuracy)
        for forward, backward, generous in shortlist(library, [one], [one_reference], accuracy):
            search.pair(forward, backward, generous)
        if reached := search.reached():
            found[library.name] = min(reached[:6], key=lambda trial: trial.seconds)
    return found


def tighten(setting: Setting, problem: Problem, reference: Sequence[Tensor], accuracy: float) -> Trial | None:
    """The setting, or the first tighter one that reaches the accuracy on another problem; None if none does."""
    i = setting.forward.levels.index(setting.forward_level)
    j = setting.backward.levels.index(setting.backward_level)
    for more in range(0, 13, 2):
        if max(i + more - len(setting.forward.levels), j + more - len(setting.backward.levels)) >= 0:
            break
        tighter = dataclasses.replace(
            setting,
            forward_level=setting.forward.levels[i + more],
            backward_level=setting.backward.levels[j + more],
        )
        trial = try_setting(tighter, problem, reference)
        if trial.error <= accuracy:
            return trial
    return None


def interleaved_seconds(runs: dict[str, tuple[Setting, Problem]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each step over rounds in which each runs once, after one round of warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(repeats + 1):
        for name, (setting, task) in runs.items():
            model = setting.model(task.counted_denoiser, task.step_size)
            start = time.perf_counter()
            task.gradient(model)
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def run(libraries: Sequence[Library], settings: StepSettings) -> tuple[Outcome, dict[str, Trial]]:
    """The axis, and the setting that each library runs with (memory and profile measure the same)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = problem(settings)
        reference = step.reference(tol=1e-6)
        found = find_settings(libraries, step, reference, settings.accuracy)
        trials = dict(found)
        runs = {name: (trial.setting, step) for name, trial in found.items()}
        if "deepinv" in found:
            theirs = deepinv_operators(settings)
            own = problem(settings, theirs, SinglePrecision(theirs))
            trial = tighten(found["deepinv"].setting, own, own.reference(tol=1e-6), settings.accuracy)
            if trial is not None:
                trials["deepinv, own operators"] = trial
                runs["deepinv, own operators"] = (trial.setting, own)
        seconds = interleaved_seconds(runs, settings.repeats)
    rows = [_row(name, trials.get(name), seconds.get(name)) for name in _names(libraries)]
    medians = {row["method"]: row["seconds"] for row in rows}
    bars = [
        Bar(
            f"EI step, times as fast as {name}",
            ratio(medians.get(name), medians.get("eiwork")),
            limit,
            "at least",
        )
        for name, limit in _LIMITS.items()
        if name in medians
    ]
    title = (
        f"One EI step at gradient accuracy {settings.accuracy:g}: CT {settings.image_size}x{settings.image_size}, "
        f"{settings.n_views} views, batch {settings.batch}"
    )
    details = {**vars(settings), "data_hash": data.data_hash("ct", "test")}
    return Outcome("step", title, rows, bars, details), found


def _names(libraries: Sequence[Library]) -> list[str]:
    names = [library.name for library in libraries]
    return [*names, "deepinv, own operators"] if "deepinv" in names else names


def _row(name: str, trial: Trial | None, seconds: list[float] | None) -> dict[str, Any]:
    return {
        "method": name,
        "setting": trial.setting.label if trial else None,
        "error": trial.error if trial else None,
        "forward": trial.forward if trial else None,
        "backward": trial.backward if trial else None,
        "seconds": median(seconds) if seconds else None,
        "all_seconds": seconds,
    }
