"""Evaluations forward and backward to a gradient of an accuracy, on the trained MRI DEQ and single test images."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any, cast

import torch
from eiwork.training.build import build_physics
from torch import Tensor

from eiwork.fixed_point import Anderson
from eiwork.models import DEQ, GradientStep, ProximalGradient
from eiwork.training import load_shipped
from eiwork.training.measurements import test_set
from eiwork_study.benchmarks.library import Library, Setting
from eiwork_study.benchmarks.outcome import Bar, Outcome, ratio
from eiwork_study.benchmarks.problem import LossName, Problem
from eiwork_study.benchmarks.search import Search, Trial, rank_backward, rank_forward, try_setting

_LIMITS = {"deepinv": 0.5, "torchdeq": 0.8}
_LOSSES: tuple[LossName, ...] = ("supervised", "ei")


@dataclass(frozen=True, kw_only=True)
class NFESettings:
    """n_search images choose the settings; n_images (None: the whole test split) are then measured with them."""

    accuracy: float = 1e-3
    n_search: int = 6
    n_images: int | None = None
    model: str = "mri-noise-free-ei-deq"
    seed: int = 0


def problems(settings: NFESettings) -> tuple[list[Problem], str]:
    """One problem for each test image, in a seeded order, and the hash of the data."""
    checkpoint = load_shipped(settings.model)
    model, recipe = checkpoint.model(), checkpoint.recipe
    assert isinstance(model, DEQ)
    iteration = cast(ProximalGradient, model.iterate)
    assert isinstance(iteration.data_step, GradientStep)
    physics = build_physics(recipe.physics, recipe.data.image_size)
    images = test_set(recipe, physics)
    assert images.x is not None
    step_size = float(iteration.data_step.step_size.detach())
    generator = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(images), generator=generator)[: settings.n_images].tolist()
    angles = 360 * torch.rand(len(order), 1, generator=generator) - 180
    found = [
        Problem(iteration.denoiser, step_size, physics, images.y[i : i + 1], images.x[i : i + 1], angle)
        for i, angle in zip(order, angles, strict=True)
    ]
    return found, images.data_hash


def solution(problem: Problem) -> Tensor:
    """The fixed point to 1e-9, computed in float64."""
    exact = problem.double()
    model = DEQ(ProximalGradient(exact.denoiser, GradientStep(exact.step_size)).double())
    solver = Anderson(tol=1e-9, max_iter=3000, memory=15, on_failure="raise")
    value = model.solve(exact.y, exact.physics, solver=solver).value
    assert isinstance(value, Tensor)
    return value.to(problem.y.dtype)


def shortlist(
    library: Library, few: Sequence[Problem], references: Sequence[Sequence[Tensor]], accuracy: float
) -> list[tuple[Any, Any, int]]:
    """The most promising pairs of methods with a generous backward level, ranked on a few problems."""
    forward = rank_forward(library, few, [solution(problem) for problem in few])
    backward = rank_backward(library, few, references, forward[0], accuracy) if forward else []
    # The ranking is done on few problems: others may need more of the same method.
    pairs = [(f, b) for f in forward[:2] for b in backward[:3]]
    return [(f[0], b[0], min(len(b[0].levels) - 1, b[1] + 16)) for f, b in pairs]


def candidates(trials: Sequence[Trial]) -> list[Setting]:
    """The settings that won on single images, and the same two and four levels tighter."""
    found: dict[str, Setting] = {}
    for trial in trials:
        s = trial.setting
        i, j = s.forward.levels.index(s.forward_level), s.backward.levels.index(s.backward_level)
        for more in (0, 2, 4):
            forward = s.forward.levels[min(i + more, len(s.forward.levels) - 1)]
            backward = s.backward.levels[min(j + more, len(s.backward.levels) - 1)]
            tighter = Setting(s.library, s.forward, forward, s.backward, backward)
            found[tighter.label] = tighter
    return list(found.values())


def measure(
    library: Library,
    loss: LossName,
    every: Sequence[Problem],
    references: Sequence[Sequence[Tensor]],
    pairs: Sequence[tuple[Any, Any, int]],
    settings: NFESettings,
) -> dict[str, Any]:
    """The row of a library and a loss: its best setting for all images, and the best one image by image."""
    winners = []
    for problem, reference in list(zip(every, references, strict=True))[: settings.n_search]:
        search = Search(library, problem.with_loss(loss), reference, settings.accuracy)
        for forward, backward, generous in pairs:
            search.pair(forward, backward, generous)
        if (best := search.best()) is not None:
            winners.append(best)
    row: dict[str, Any] = {"library": library.name, "loss": loss, "n_images": len(every)}
    table = {
        setting.label: [
            try_setting(setting, problem.with_loss(loss), reference)
            for problem, reference in zip(every, references, strict=True)
        ]
        for setting in candidates(winners)
    }
    good = {k: v for k, v in table.items() if median(t.error for t in v) <= settings.accuracy}
    if not good:
        return row | {
            "setting": None,
            "nfe": None,
            "forward": None,
            "backward": None,
            "error": None,
            "nfe_each": None,
        }
    label = min(good, key=lambda k: median(t.total for t in good[k]))
    reached = [
        [t.total for t in trials if t.error <= settings.accuracy] for trials in zip(*table.values(), strict=True)
    ]
    each = median(min(totals, default=float("inf")) for totals in reached)
    return row | {
        "setting": label,
        "nfe": median(t.total for t in good[label]),
        "forward": median(t.forward for t in good[label]),
        "backward": median(t.backward for t in good[label]),
        "error": median(t.error for t in good[label]),
        "nfe_each": each if isfinite(each) else None,
    }


def run(libraries: Sequence[Library], settings: NFESettings) -> Outcome:
    """The axis: a row for each library and loss, and the ratios to each peer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every, data_hash = problems(settings)
        references = {loss: [p.with_loss(loss).reference() for p in every] for loss in _LOSSES}
        pairs = {
            (library.name, loss): shortlist(
                library, [p.with_loss(loss) for p in every[:2]], references[loss][:2], settings.accuracy
            )
            for loss in _LOSSES
            for library in libraries
        }
        rows = [
            measure(library, loss, every, references[loss], pairs[library.name, loss], settings)
            for loss in _LOSSES
            for library in libraries
        ]
    figures = {(row["library"], row["loss"]): row["nfe"] for row in rows}
    bars = [
        Bar(
            f"NFE, {loss} loss, of {library.name}'s best",
            ratio(figures["eiwork", loss], figures[library.name, loss]),
            _LIMITS[library.name],
            "at most",
        )
        for loss in _LOSSES
        for library in libraries
        if library.name in _LIMITS
    ]
    title = f"Evaluations to a gradient accurate to {settings.accuracy:g}, {settings.model}, single test images"
    details = {**vars(settings), "data_hash": data_hash, "shortlist": _named(pairs)}
    return Outcome("nfe", title, rows, bars, details)


def _named(pairs: dict[tuple[str, LossName], list[tuple[Any, Any, int]]]) -> dict[str, list[str]]:
    return {", ".join(key): [f"{f.name} / {b.name}" for f, b, _ in found] for key, found in pairs.items()}
