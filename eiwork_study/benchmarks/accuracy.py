"""Gradients against dense float64 solves at 8x8: near the edge of contraction, scaled, twice, without a fixed point."""

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from eiwork.analysis import compare_gradients
from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.progress import track
from eiwork_study.benchmarks.libraries import Library, libraries
from eiwork_study.benchmarks.problem import (
    BATCH,
    SIZE,
    CountedDenoiser,
    DensePhysics,
    Evaluations,
    Problem,
    dense_gradient,
    small_problem,
)

RADII, BUDGET, LOSS_SCALE, TOL = (0.75, 0.98, 0.999), 50, 1e-9, 1e-8


def run(among: Sequence[Library] | None = None, radii: Sequence[float] = RADII, budget: int = BUDGET) -> dict[str, Any]:
    """Rows per library, spectral radius and loss; behaviour beyond the ordinary; the requirements on our own errors.

    budget: backward products a call.
    """
    chosen = libraries() if among is None else among
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        problems = {radius: small_problem(radius) for radius in track(radii, "problems")}
    cells = itertools.product(radii, ("supervised", "ei"), chosen)
    rows = [
        measure(library, problems[radius].changed(loss=loss), radius, budget)
        for radius, loss, library in track(cells, "gradients")
    ]
    near = min(radii, key=lambda radius: abs(radius - 0.98))
    beyond = [behaviour(library, problems[near].changed(loss="ei")) for library in track(chosen, "behaviour")]
    ours = {(row["radius"], row["loss"]): row for row in rows if row["library"] == "eiwork"}[near, "ei"]
    silent = [r["default_error"] for r in rows if r["library"] == "eiwork" and r["default_said"] == "silent"]
    bars = {
        f"radius {near}, EI, {budget} products a call": (ours["budget_error"], 1e-5),
        f"radius {near}, EI, defaults": (ours["default_error"], 1e-3),
        f"loss times {LOSS_SCALE:g}: change of the gradient": (beyond[0]["scale_change"], 1e-6),
        "second derivatives": (beyond[0]["second_derivative_error"], 1e-4),
        "evaluations until a diverging map is told": (beyond[0]["diverging_told_after"], 100),
        "largest default error without a warning": (max(silent, default=0.0), 1e-2),
    }
    return {
        "title": f"Relative error of the gradient against dense float64 solves, {SIZE}x{SIZE}, batch {BATCH}",
        "libraries": {library.name: library.version for library in chosen},
        "settings": {"radii": list(radii), "budget": budget, "loss_scale": LOSS_SCALE, "tol": TOL},
        "rows": rows,
        "behaviour": beyond,
        "requirement": {
            "at_most": {name: {"value": value, "limit": limit} for name, (value, limit) in bars.items()},
            "passed": all(value is not None and value <= limit for value, limit in bars.values()),
        },
    }


def measure(library: Library, problem: Problem, radius: float, budget: int) -> dict[str, Any]:
    """Errors of a library at its defaults and at its best within the budget."""
    reference = dense_gradient(problem)
    default, said = _error(problem, reference, library.defaults(problem.counted_denoiser))
    spent = f"{problem.evaluations.forward}/{problem.evaluations.backward}"
    tried = []
    for name, backward in library.budget(budget).items():
        error, _ = _error(problem, reference, library.compose(library.accurate, backward, problem.counted_denoiser))
        if error is not None:
            tried.append((error, name, problem.evaluations.backward))
    best = min(tried, default=(None, "", 0))
    return {
        "library": library.name,
        "radius": radius,
        "loss": problem.loss,
        "default_error": default,
        "default_nfe": spent,
        "default_said": said,
        "budget_error": best[0],
        "budget_solver": best[1],
        "budget_backward": best[2],
    }


def _error(problem: Problem, reference: Sequence[Tensor], model: nn.Module) -> tuple[float | None, str]:
    """The relative error of the gradient (None where there is none), and what the library said about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            error = compare_gradients(problem.gradient(model), reference).relative_error
        except (ConvergenceError, RuntimeError) as failure:
            return None, type(failure).__name__
    warned = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return error, "warned" if warned else "silent"


def behaviour(library: Library, problem: Problem) -> dict[str, Any]:
    """Invariance to the loss's scale, second derivatives, and a map without a fixed point."""
    forward, backward = library.tolerance(TOL)

    def model() -> nn.Module:
        return library.compose(forward, backward, problem.counted_denoiser)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = problem.gradient(model())
        small = [g / LOSS_SCALE for g in problem.changed(loss_scale=LOSS_SCALE).gradient(model())]
        second, said = second_derivative_error(problem, model)
    return {
        "library": library.name,
        "scale_change": compare_gradients(small, plain).relative_error,
        "second_derivative_error": second,
        "second_derivative_said": said,
        **diverging_map(library),
    }


def second_derivative_error(problem: Problem, model: Callable[[], nn.Module]) -> tuple[float | None, str]:
    """Relative error of H d (H: Hessian of the loss in the weights of D, d: a direction) against central differences.

    None, with the error's name, where the library refuses. The differences are of the dense gradient.
    """
    theta = list(problem.denoiser.parameters())
    generator = torch.Generator().manual_seed(1)
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=generator) for p in theta]
    try:
        gradient = torch.autograd.grad(problem.value(model()), theta, create_graph=True)
        slope = torch.stack([(g * d).sum() for g, d in zip(gradient, direction, strict=True)]).sum()
        slopes = torch.autograd.grad(slope, theta, materialize_grads=True, allow_unused=True)
    except (InputError, RuntimeError) as error:
        return None, type(error).__name__
    found, numeric = torch.cat([g.flatten() for g in slopes]), _difference(problem, theta, direction)
    return float((found - numeric).norm() / numeric.norm()), "silent"


def _difference(problem: Problem, theta: list[nn.Parameter], direction: list[Tensor]) -> Tensor:
    step, sides = 1e-5, []
    for sign in (1, -1):
        with torch.no_grad():
            for p, d in zip(theta, direction, strict=True):
                p.add_(sign * step * d)
        sides.append(torch.cat([g.flatten() for g in dense_gradient(problem)]))
        with torch.no_grad():
            for p, d in zip(theta, direction, strict=True):
                p.sub_(sign * step * d)
    return (sides[0] - sides[1]) / (2 * step)


class Growing(nn.Module):
    """x -> 2 x + x^2 + 1 + (a parameter): the image grows without bound and no fixed point is near."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """One growth."""
        return 2 * x + x.square() + 1 + self.offset


def diverging_map(library: Library) -> dict[str, Any]:
    """How a library at its defaults tells that a map diverges, after how many evaluations, and what it returns."""
    physics = DensePhysics(torch.Generator().manual_seed(0))
    y = physics.A(torch.rand(BATCH, 1, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    count = Evaluations()
    model = library.defaults(CountedDenoiser(Growing(), count))
    value: Any = None
    with torch.no_grad(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value, said = model(y, physics), "silent"
        except (ConvergenceError, RuntimeError) as error:
            said = type(error).__name__
            value = getattr(getattr(error, "solution", None), "value", None)
    if said == "silent" and any(issubclass(one.category, ConvergenceWarning) for one in caught):
        said = "ConvergenceWarning"
    finite = isinstance(value, Tensor) and bool(value.isfinite().all())
    return {
        "diverging_said": said,
        "diverging_told_after": None if said == "silent" or not finite else count.forward,
        "diverging_finite": finite,
        "diverging_largest": float(value.abs().max()) if isinstance(value, Tensor) else None,
    }
