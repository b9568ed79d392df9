"""Gradients against dense float64 solves at 8x8: near the edge of contraction, scaled, twice, without a fixed point."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from eiwork.analysis import compare_gradients
from eiwork.errors import ConvergenceError, ConvergenceWarning
from eiwork_study.benchmarks.behaviour import diverging_map, second_derivative_error
from eiwork_study.benchmarks.library import Library
from eiwork_study.benchmarks.outcome import Bar, Outcome
from eiwork_study.benchmarks.problem import LossName, Problem
from eiwork_study.benchmarks.small_problem import dense_gradient, scaled, small_problem

_LOSSES: tuple[LossName, ...] = ("supervised", "ei")


@dataclass(frozen=True, kw_only=True)
class AccuracySettings:
    """Spectral radii of the map; `budget`: backward products per call; `loss_scale` of the test of invariance."""

    radii: tuple[float, ...] = (0.75, 0.98, 0.999)
    budget: int = 50
    loss_scale: float = 1e-9
    tol: float = 1e-8
    seed: int = 0


def _error(problem: Problem, reference: Sequence[Tensor], model: nn.Module) -> tuple[float | None, str]:
    """The relative error of the gradient (None where there is none), and what the library said about it."""
    said = "silent"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            error = compare_gradients(problem.gradient(model), reference).relative_error
        except (ConvergenceError, RuntimeError) as failure:
            return None, type(failure).__name__
    if any(issubclass(one.category, ConvergenceWarning) for one in caught):
        said = "warned"
    return error, said


def _best_in_budget(
    library: Library, problem: Problem, reference: Sequence[Tensor], n: int
) -> tuple[float | None, str, int]:
    """The smallest error among the library's backward solvers capped at n products, with the solver's name."""
    best: tuple[float | None, str, int] = (None, "", 0)
    for name, backward in library.budget(n).items():
        model = library.compose(library.accurate, backward, problem.counted_denoiser, problem.step_size)
        error, _ = _error(problem, reference, model)
        if error is not None and (best[0] is None or error < best[0]):
            best = (error, name, problem.evaluations.backward)
    return best


def measure(library: Library, problem: Problem, radius: float, settings: AccuracySettings) -> dict[str, Any]:
    """Errors of a library at its defaults and at its best within the budget."""
    reference = dense_gradient(problem)
    model = library.defaults(problem.counted_denoiser, problem.step_size)
    default, said = _error(problem, reference, model)
    evaluations = f"{problem.evaluations.forward}/{problem.evaluations.backward}"
    tuned, name, backward = _best_in_budget(library, problem, reference, settings.budget)
    return {
        "library": library.name,
        "radius": radius,
        "loss": problem.loss,
        "default_error": default,
        "default_nfe": evaluations,
        "default_said": said,
        "budget_error": tuned,
        "budget_solver": name,
        "budget_backward": backward,
    }


def behaviour(library: Library, problem: Problem, settings: AccuracySettings) -> dict[str, Any]:
    """Invariance to the loss's scale, second derivatives, and a map without a fixed point."""
    forward, backward = library.tolerance(settings.tol)

    def model() -> nn.Module:
        return library.compose(forward, backward, problem.counted_denoiser, problem.step_size)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = problem.gradient(model())
        small = [g / settings.loss_scale for g in scaled(problem, settings.loss_scale).gradient(model())]
        second, said = second_derivative_error(problem, model)
    change: float | None = compare_gradients(small, plain).relative_error
    return {
        "library": library.name,
        "scale_change": change,
        "second_derivative_error": second,
        "second_derivative_said": said,
        **diverging_map(library),
    }


def run(libraries: Sequence[Library], settings: AccuracySettings) -> Outcome:
    """The axis: rows per library, radius and loss, then the bars of our own errors."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        problems = {radius: small_problem(radius, settings.seed) for radius in settings.radii}
    for radius, problem in problems.items():
        for loss in _LOSSES:
            rows += [measure(library, problem.with_loss(loss), radius, settings) for library in libraries]
    near = min(settings.radii, key=lambda radius: abs(radius - 0.98))
    behaviours = [behaviour(library, problems[near].with_loss("ei"), settings) for library in libraries]
    ours = behaviours[0]
    find = _finder(rows)
    bars = [
        Bar(
            f"radius {near}, EI, {settings.budget} products a call",
            find(near)["budget_error"],
            1e-5,
            "at most",
        ),
        Bar(f"radius {near}, EI, defaults", find(near)["default_error"], 1e-3, "at most"),
        Bar(
            f"loss times {settings.loss_scale:g}: change of the gradient",
            ours["scale_change"],
            1e-6,
            "at most",
        ),
        Bar("second derivatives", ours["second_derivative_error"], 1e-4, "at most"),
        Bar("evaluations until a diverging map is told", ours["diverging_told_after"], 100, "at most"),
    ]
    wrong = [row for row in rows if row["library"] == "eiwork" and row["default_said"] == "silent"]
    silent = max((row["default_error"] for row in wrong), default=0.0)
    bars.append(Bar("largest default error without a warning", silent, 1e-2, "at most"))
    title = "Relative error of the gradient against dense float64 solves, 8x8, batch 3"
    return Outcome("accuracy", title, rows, bars, {**vars(settings), "behaviour": behaviours})


def _finder(rows: list[dict[str, Any]]) -> Callable[[float], dict[str, Any]]:
    def find(radius: float) -> dict[str, Any]:
        return next(row for row in rows if (row["library"], row["radius"], row["loss"]) == ("eiwork", radius, "ei"))

    return find
