"""What libraries do where there is no ordinary answer: second derivatives, and a map that grows without bound."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork_study.benchmarks.counting import CountedDenoiser, Evaluations
from eiwork_study.benchmarks.library import Library
from eiwork_study.benchmarks.problem import Problem
from eiwork_study.benchmarks.small_problem import BATCH, SIZE, DensePhysics, dense_gradient


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
        found = torch.cat(
            [g.flatten() for g in torch.autograd.grad(slope, theta, materialize_grads=True, allow_unused=True)]
        )
    except (InputError, RuntimeError) as error:
        return None, type(error).__name__
    numeric = _difference(problem, theta, direction)
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
    model = library.defaults(CountedDenoiser(Growing(), count), 1.0)
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
