"""Our grid: the one place to extend when a solver or an option is added."""

from typing import Any

from torch import nn

import eiwork
from eiwork.fixed_point import GMRES, Anderson, Implicit, Picard
from eiwork.models import DEQ, GradientStep, ProximalGradient
from eiwork_study.benchmarks.library import Level, Library, Method

# Eight tolerances a decade: fine enough that a step of the ladder is less than one evaluation.
TOLERANCES: tuple[Level, ...] = tuple(10 ** (-k / 8) for k in range(4, 65))


def _compose(forward: Any, backward: Any, denoiser: nn.Module, step_size: float) -> nn.Module:
    return DEQ(ProximalGradient(denoiser, GradientStep(step_size)), forward, Implicit(backward))


def _anderson(memory: int) -> Method:
    return Method(
        f"Anderson(memory={memory})",
        TOLERANCES,
        lambda tol: Anderson(tol=float(tol), max_iter=200, memory=memory),
    )


def _defaults(denoiser: nn.Module, step_size: float) -> nn.Module:
    return DEQ(ProximalGradient(denoiser, GradientStep(step_size)))


def _budget(n: int) -> dict[str, Any]:
    return {
        "GMRES": GMRES(tol=1e-13, max_iter=n, restart=n),
        "Anderson(memory=10)": Anderson(tol=1e-13, max_iter=n, memory=10),
    }


OURS = Library(
    name="eiwork",
    version=eiwork.__version__,
    forward=(
        Method("Picard", TOLERANCES, lambda tol: Picard(tol=float(tol), max_iter=200)),
        *(_anderson(memory) for memory in (5, 10, 20)),
    ),
    backward=(
        Method("GMRES", TOLERANCES, lambda tol: GMRES(tol=float(tol), max_iter=200, restart=100)),
        _anderson(10),
    ),
    compose=_compose,
    defaults=_defaults,
    accurate=Anderson(tol=1e-13, max_iter=2000, memory=20),
    budget=_budget,
    tolerance=lambda tol: (Anderson(tol=tol, max_iter=1000, memory=10), GMRES(tol=tol, max_iter=1000)),
)
