"""Peak memory of the EI step, each in a process of its own, and its independence of the evaluations."""

import contextlib
import dataclasses
import multiprocessing
import resource
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.models import DEQ, GradientStep, ProximalGradient
from eiwork_study.benchmarks.installed import libraries
from eiwork_study.benchmarks.kept import kept_bytes
from eiwork_study.benchmarks.library import Level, Setting
from eiwork_study.benchmarks.outcome import Bar, Outcome, ratio
from eiwork_study.benchmarks.search import Trial
from eiwork_study.benchmarks.step import StepSettings, problem

_EVALUATIONS = (20, 100)


@dataclasses.dataclass(frozen=True)
class Task:
    """What a fresh process measures: a library's setting by its names, or our step with a fixed number of steps."""

    settings: StepSettings
    threads: int
    library: str = "eiwork"
    forward: tuple[str, Level] = ("", 0.0)
    backward: tuple[str, Level] = ("", 0.0)
    evaluations: int | None = None

    def model(self, denoiser: torch.nn.Module) -> torch.nn.Module:
        """The model to measure."""
        step_size = self.settings.step_size
        if self.evaluations is not None:
            # A tolerance that float32 never reaches makes the solver use all its evaluations.
            solver = Anderson(tol=1e-30, max_iter=self.evaluations)
            adjoint = Implicit(GMRES(tol=1e-2))
            return DEQ(ProximalGradient(denoiser, GradientStep(step_size)), solver, adjoint)
        library = next(found for found in libraries() if found.name == self.library)
        forward = library.method("forward", self.forward[0])
        backward = library.method("backward", self.backward[0])
        return Setting(library, forward, self.forward[1], backward, self.backward[1]).model(denoiser, step_size)


def task_of(trial: Trial, settings: StepSettings) -> Task:
    """The measurement of a trial's setting."""
    s = trial.setting
    forward, backward = (s.forward.name, s.forward_level), (s.backward.name, s.backward_level)
    return Task(settings, torch.get_num_threads(), s.library.name, forward, backward)


def measure(task: Task) -> dict[str, float]:
    """Growth of the peak resident memory over one step, and what autograd keeps, in MiB."""
    torch.set_num_threads(task.threads)
    warnings.simplefilter("ignore")
    step = problem(task.settings)
    step.physics.A_adjoint(step.y)  # the matrices of both directions are built before the step
    model = task.model(step.counted_denoiser)
    before = _fresh_peak_mebibytes()
    step.gradient(model)
    growth = _peak_mebibytes() - before
    return {
        "peak_growth_mib": round(growth, 1),
        "kept_mib": round(kept_bytes(lambda: step.value(model)) / 2**20, 3),
    }


def in_fresh_process(task: Task) -> dict[str, float]:
    """`measure` in a process of its own: a peak never comes down again."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (task,))


def run(found: Mapping[str, Trial], settings: StepSettings) -> Outcome:
    """The axis for the settings that the step was timed with."""
    rows: list[dict[str, Any]] = [
        {"method": name, "setting": trial.setting.label} | in_fresh_process(task_of(trial, settings))
        for name, trial in found.items()
    ]
    for n in _EVALUATIONS:
        task = Task(settings, torch.get_num_threads(), evaluations=n)
        rows.append({"method": f"eiwork, {n} evaluations a call", "setting": None} | in_fresh_process(task))
    peaks = {row["method"]: row["peak_growth_mib"] for row in rows}
    few, many = rows[-2], rows[-1]
    bars = [
        Bar("peak memory, of deepinv's", ratio(peaks.get("eiwork"), peaks.get("deepinv")), 1.0, "at most"),
        # The peak of one and the same step varies by a few MiB.
        Bar(
            "peak memory, MiB more at five times the evaluations",
            many["peak_growth_mib"] - few["peak_growth_mib"],
            10.0,
            "at most",
        ),
        Bar(
            "kept memory, MiB more at five times the evaluations",
            many["kept_mib"] - few["kept_mib"],
            0.0,
            "at most",
        ),
    ]
    return Outcome("memory", "Memory of the EI step, fresh process each", rows, bars, vars(settings))


def _fresh_peak_mebibytes() -> float:
    """The peak, set back to the present first where the system can (Linux): building the operators has its own."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_mebibytes()


def _peak_mebibytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
