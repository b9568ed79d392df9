"""Reports of every forward and adjoint solve, collected where the user asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Report:
    """One solve: `kind` is "forward" (z = f(z)) or "adjoint" ((I - J^T) v = g).

    n_evaluations: evaluations of f (forward) or of its vector-Jacobian product (adjoint).
    residual: (batch,) relative residual: to ||f(z)|| in a forward solve, to ||g|| in an adjoint one.
    converged: (batch,) whether the sample reached the solver's tolerance `tol`.
    """

    kind: Literal["forward", "adjoint"]
    solver: str
    tol: float
    n_evaluations: int
    residual: Float[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]


_active: ContextVar[tuple[list[Report], ...]] = ContextVar("eiwork_active_records", default=())


@contextmanager
def record() -> Iterator[list[Report]]:
    """Collect the report of every solve made inside the block: `with eiwork.record() as reports:`."""
    reports: list[Report] = []
    token = _active.set((*_active.get(), reports))
    try:
        yield reports
    finally:
        _active.reset(token)


def publish(report: Report) -> None:
    """Hand a report to every open record."""
    for reports in _active.get():
        reports.append(report)
