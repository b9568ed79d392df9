"""torchdeq's grid: `get_deq(ift=True, ...)` around our iteration."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

from deepinv.physics import LinearPhysics
from torch import Tensor, nn

from eiwork.models import GradientStep, ProximalGradient
from eiwork_study.benchmarks.library import Level, Library, Method
from eiwork_study.benchmarks.ours import TOLERANCES


@dataclass(frozen=True)
class Solver:
    """One of torchdeq's solvers with a relative tolerance, a cap and its own options."""

    name: str
    tol: float
    max_iter: int = 200
    options: dict[str, Any] = field(default_factory=dict)

    def register(self) -> str:
        """The key under which torchdeq finds the solver with these options (its only way to set them backward)."""
        from torchdeq.solver import get_solver, register_solver

        key = self.name + "".join(f",{k}={v}" for k, v in self.options.items())
        if self.options:
            register_solver(key, partial(get_solver(self.name), **self.options))
        return key


class TorchDEQ(nn.Module):
    """torchdeq's implicit layer as a reconstruction model: model(y, physics)."""

    def __init__(self, iteration: ProximalGradient, forward: Solver, backward: Solver) -> None:
        super().__init__()
        from torchdeq import get_deq

        self.iterate = iteration
        self.deq = get_deq(
            ift=True,
            f_solver=forward.register(),
            b_solver=backward.register(),
            f_tol=forward.tol,
            b_tol=backward.tol,
            f_max_iter=forward.max_iter,
            b_max_iter=backward.max_iter,
            f_stop_mode="rel",
            b_stop_mode="rel",
        )

    def forward(self, y: Tensor, physics: LinearPhysics) -> Tensor:
        """The reconstruction of measurements."""
        start = self.iterate.start(y.detach(), physics)
        outputs, _ = self.deq(lambda x: self.iterate(x, y, physics), start)
        return outputs[-1]


def compose(forward: Solver, backward: Solver, denoiser: nn.Module, step_size: float) -> nn.Module:
    """torchdeq's DEQ of our proximal gradient descent."""
    return TorchDEQ(_iteration(denoiser, step_size), forward, backward).train()


def _iteration(denoiser: nn.Module, step_size: float) -> ProximalGradient:
    step = GradientStep(step_size)
    step.requires_grad_(False)
    return ProximalGradient(denoiser, step)


def _solver(name: str, options: dict[str, Any]) -> Callable[[Level], Solver]:
    return lambda tol: Solver(name, float(tol), options=options)


def _method(name: str, **options: Any) -> Method:
    inside = ", ".join(f"{key}={value:g}" for key, value in options.items())
    return Method(f"{name}({inside})", TOLERANCES, _solver(name, options))


_METHODS = (
    _method("fixed_point_iter"),
    _method("anderson"),
    *(_method("anderson", m=m, lam=lam) for m in (6, 10, 20) for lam in (1e-12, 1e-20)),
    _method("broyden"),
)
_BUDGET = {
    "fixed_point_iter": {},
    "anderson": {"m": 20, "lam": 1e-24},
    "broyden": {},
}


class _Defaults(TorchDEQ):
    """`get_deq(ift=True)` with nothing else chosen: plain iteration, at most 40 evaluations."""

    def __init__(self, iteration: ProximalGradient) -> None:
        nn.Module.__init__(self)
        from torchdeq import get_deq

        self.iterate, self.deq = iteration, get_deq(ift=True)


def torchdeq_library() -> Library:
    """The library, which is an optional extra; raises PackageNotFoundError without it."""
    return Library(
        name="torchdeq",
        version=version("torchdeq"),
        forward=_METHODS,
        backward=_METHODS,
        compose=compose,
        defaults=lambda denoiser, step_size: _Defaults(_iteration(denoiser, step_size)).train(),
        accurate=Solver("broyden", 1e-13, 500),
        budget=lambda n: {name: Solver(name, 1e-13, n, options) for name, options in _BUDGET.items()},
        tolerance=lambda tol: (Solver("broyden", tol, 500), Solver("broyden", tol, 500)),
    )
