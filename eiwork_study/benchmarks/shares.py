"""Where the time of the EI step goes: convolutions, the rest of the network, everything else."""

import warnings
from collections.abc import Mapping
from typing import Any

from torch.profiler import ProfilerActivity, profile

from eiwork_study.benchmarks.outcome import Bar, Outcome
from eiwork_study.benchmarks.problem import Problem
from eiwork_study.benchmarks.search import Trial
from eiwork_study.benchmarks.step import StepSettings, problem

_ACTIVATIONS = ("silu",)


def measure(trial: Trial, step: Problem) -> dict[str, Any]:
    """Self CPU time of one step by kind of operation, after a warm-up, and the ten largest operations."""
    model = trial.setting.model(step.counted_denoiser, step.step_size)
    step.gradient(model)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step.gradient(model)
    seconds = {event.key: event.self_cpu_time_total / 1e6 for event in profiler.key_averages()}
    total = sum(seconds.values())
    convolutions = sum(value for key, value in seconds.items() if "conv" in key.lower())
    activations = sum(value for key, value in seconds.items() if any(name in key for name in _ACTIVATIONS))
    largest = sorted(seconds.items(), key=lambda item: -item[1])[:10]
    return {
        "seconds": total,
        "convolutions": convolutions / total,
        "activations": activations / total,
        "outside_convolutions": 1 - convolutions / total,
        "largest": {key: value / total for key, value in largest},
    }


def run(found: Mapping[str, Trial], settings: StepSettings) -> Outcome:
    """The axis for the settings that the step was timed with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = problem(settings)
        rows = [
            {"method": name, "setting": trial.setting.label} | measure(trial, step) for name, trial in found.items()
        ]
    ours = next((row["outside_convolutions"] for row in rows if row["method"] == "eiwork"), None)
    bars = [Bar("share of the step outside convolutions", ours, 0.15, "at most")]
    return Outcome("profile", "Where the CPU time of the EI step goes", rows, bars, vars(settings))
