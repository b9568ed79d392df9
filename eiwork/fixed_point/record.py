"""What every solve reports, who collects it, and what is said where a solve has failed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point.state import Flat, State

Kind = Literal["forward", "adjoint"]
OnFailure = Literal["warn", "raise"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a solve of z = f(z) ("forward") or of (I - J^T) v = g ("adjoint") has ended, sample by sample.

    converged: (batch,) whether the sample reached the tolerance. residual: (batch,) ||f(z) - z|| / ||f(z)||, or
    ||g + J^T v - v|| / ||g||. n_evaluations: those of f, or of its vector-Jacobian product. trace: the residuals
    (batch,) after each of them, in order.
    sigma_min: (batch,) estimate, from above, of the smallest singular value of I - J; nan for a sample whose solve was
    too short to see any. None if the solver gives no estimate.
    error_bound: (batch,) estimate of ||z - z*|| / ||z*||, or of ||v - v*|| / ||v*|| (what the adjoint solve adds to the
    error of the gradient): residual / sigma_min with rounding; inf where sigma_min is nan, None where it is None.
    """

    converged: Bool[Tensor, " batch"]
    residual: Float[Tensor, " batch"]
    n_evaluations: int
    trace: list[Float[Tensor, " batch"]] = field(default_factory=list, repr=False)
    sigma_min: Float[Tensor, " batch"] | None = None
    error_bound: Float[Tensor, " batch"] | None = None


@dataclass(frozen=True, kw_only=True)
class Solution(Outcome):
    """A fixed point. value: the best iterate, like z0; evaluations: (batch,) those of f until the sample stopped."""

    value: State
    evaluations: Int[Tensor, " batch"]


@dataclass(frozen=True, kw_only=True)
class LinearResult(Outcome):
    """The solution of a linear system: value (batch, n) is v."""

    value: Flat


@dataclass(frozen=True, kw_only=True)
class Report(Outcome):
    """An outcome as `record` collects it: of which kind, by which solver, to which tolerance.

    weights: (batch,) the share of the trained operator in the one that was solved for (`GuardedDEQ`), else None.
    """

    kind: Kind
    solver: str
    tol: float
    weights: Float[Tensor, " batch"] | None = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """What every solver has.

    tol: relative residual at which a sample is solved, > 0. max_iter: largest number of evaluations, >= 1. on_failure:
    "warn" (ConvergenceWarning) or "raise" (ConvergenceError) where a sample is not. Raises InputError for others.
    """

    tol: float = 1e-4
    max_iter: int = 50
    on_failure: OnFailure = "warn"

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not self.tol > 0:
            raise InputError(f"{name}(tol={self.tol}): the tolerance must be positive, for example 1e-4.")
        if self.max_iter < 1:
            raise InputError(f"{name}(max_iter={self.max_iter}): at least one evaluation is needed.")
        if self.on_failure not in ("warn", "raise"):
            raise InputError(f'{name}(on_failure={self.on_failure!r}): choose "warn" or "raise".')


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


def publish_residual(
    kind: Kind, solver: str, tol: float, residual: Float[Tensor, " batch"], n_evaluations: int
) -> Bool[Tensor, " batch"]:
    """Report a residual that no solver has watched; (batch,) whether it is within the tolerance."""
    converged = residual <= tol
    publish(Outcome(converged=converged, residual=residual, n_evaluations=n_evaluations), kind, solver, tol)
    return converged


def publish(
    outcome: Outcome, kind: Kind, solver: str, tol: float, weights: Float[Tensor, " batch"] | None = None
) -> None:
    """Hand the report of a solve to every open record; kind, solver, tol and weights as in `Report`."""
    known = {item.name: getattr(outcome, item.name) for item in fields(Outcome)}
    report = Report(**known, kind=kind, solver=solver, tol=tol, weights=weights)
    for reports in _active.get():
        reports.append(report)


def conclude(outcome: Outcome, kind: Kind, solver: Method) -> None:
    """Publish the report of a solve; warn or raise, as the solver is set to, if a sample has not converged."""
    publish(outcome, kind, type(solver).__name__, solver.tol)
    if bool(outcome.converged.all()):
        return
    advice = (
        "The map may not be a contraction: damp it (Picard(damping=0.5)), raise max_iter, try Anderson, or "
        "control the Lipschitz constant of the operator."
        if kind == "forward"
        else "I - J is badly conditioned here: raise max_iter, loosen tol, or make the map more contractive."
    )
    estimate, bound = "", outcome.error_bound
    if bound is not None and bool(bound.isfinite().all()):
        of_what = "fixed point" if kind == "forward" else "adjoint, and so of the gradient,"
        estimate = f"; the estimated relative error of the {of_what} is {float(bound.max()):.1e}"
    message = (
        f"The {kind} solve by {type(solver).__name__} stopped after {outcome.n_evaluations} evaluations with "
        f"{int((~outcome.converged).sum())} of {outcome.converged.numel()} samples above tolerance {solver.tol:.1e}; "
        f"the largest relative residual is {float(outcome.residual.max()):.2e}{estimate}. {advice}"
    )
    if solver.on_failure == "raise":
        raise ConvergenceError(message, outcome)
    warnings.warn(message, ConvergenceWarning, stacklevel=4)
