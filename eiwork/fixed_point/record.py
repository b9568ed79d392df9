"""Reports of every forward and adjoint solve, collected where the user asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Report:
    """One solve and its certificate: `kind` is "forward" (z = f(z)) or "adjoint" ((I - J^T) v = g).

    n_evaluations: evaluations of f (forward) or of its vector-Jacobian product (adjoint).
    residual: (batch,) relative residual: to ||f(z)|| in a forward solve, to ||g|| in an adjoint one.
    converged: (batch,) whether the sample reached the solver's tolerance `tol`.
    trace: relative residual (batch,) after each evaluation, in order.
    sigma_min: (batch,) estimate, from above, of the smallest singular value of I - J, from the steps of the solve;
    nan for a sample whose solve was too short to see any. None if the solver gives no estimate.
    error_bound: (batch,) estimate of ||v - v*|| / ||v*|| (adjoint: the error that the adjoint solve adds to the
    gradient; that of the forward solve comes on top) or ||z - z*|| / ||z*|| (forward): residual / sigma_min with the
    rounding of the working precision; inf where sigma_min is nan. None if the solver gives no estimate.
    weights: (batch,) the share of the trained operator in the one that was solved for (`GuardedDEQ`), else None.
    """

    kind: Literal["forward", "adjoint"]
    solver: str
    tol: float
    n_evaluations: int
    residual: Float[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]
    trace: list[Float[Tensor, " batch"]] = field(default_factory=list, repr=False)
    sigma_min: Float[Tensor, " batch"] | None = None
    error_bound: Float[Tensor, " batch"] | None = None
    weights: Float[Tensor, " batch"] | None = None


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


@contextmanager
def unrecorded() -> Iterator[None]:
    """Hide the solves inside the block from every open record, for who reports on them as one."""
    token = _active.set(())
    try:
        yield
    finally:
        _active.reset(token)


def publish(report: Report) -> None:
    """Hand a report to every open record."""
    for reports in _active.get():
        reports.append(report)
