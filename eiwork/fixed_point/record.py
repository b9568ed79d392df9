"""What every solver is asked for, what every solve reports, who collects it, and what is said where one has failed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point.state import Flat, State

Kind = Literal["forward", "adjoint"]
ROUNDING = 4.0  # of f or of a product, in units of the working precision; measured on the problems of the tests


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a solve of z = f(z) ("forward") or of (I - J^T) v = g ("adjoint") has ended, sample by sample.

    converged: (batch,) whether the sample reached the tolerance. residual: (batch,) ||f(z) - z|| / ||f(z)||, or
    ||g + J^T v - v|| / ||g||. n_evaluations: those of f, or of its vector-Jacobian product. trace: the residuals
    (batch,) after each. sigma_min: (batch,) estimate from above of the smallest singular value of I - J; nan where the
    solve was too short to see any; None if the solver gives none. error_bound: (batch,) estimate of ||z - z*|| /
    ||z*||, or of ||v - v*|| / ||v*||, by `relative_error`; inf where sigma_min is nan, None where it is None.
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
    """An outcome as `record` collects it. weights: (batch,) the share of the trained operator, by `GuardedDEQ` only."""

    kind: Kind
    solver: str
    tol: float
    weights: Float[Tensor, " batch"] | None = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """What every solver has.

    tol: relative residual at which a sample is solved, > 0. max_iter: largest number of evaluations, >= 1. on_failure:
    ConvergenceWarning or ConvergenceError where a sample is not. Raises InputError for other values.
    """

    tol: float = 1e-4
    max_iter: int = 50
    on_failure: Literal["warn", "raise"] = "warn"
    rounding: ClassVar[float] = 0.0  # relative, of what is evaluated, where coarser than that of its type: autocast

    def __post_init__(self) -> None:
        require(self, self.tol > 0, "the tolerance must be positive, for example 1e-4.", tol=self.tol)
        require(self, self.max_iter >= 1, "at least one evaluation is needed.", max_iter=self.max_iter)
        known = self.on_failure in ("warn", "raise")
        require(self, known, 'choose "warn" or "raise".', on_failure=self.on_failure)


def require(owner: object, holds: bool, advice: str, **settings: Any) -> None:
    """InputError with these settings of their owner and advice, unless what they need holds."""
    if not holds:
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        raise InputError(f"{type(owner).__name__}({given}): {advice}")


def require_damping(owner: object, damping: float | int) -> None:
    """InputError unless damping lies in (0, 1]."""
    require(owner, 0 < damping <= 1, "damping must lie in (0, 1]; 1 is undamped.", damping=damping)


def relative_error(
    residual: Float[Tensor, " batch"], size: Float[Tensor, " batch"], sigma_min: Float[Tensor, " batch"], eps: float
) -> Float[Tensor, " batch"]:
    """Estimate of ||v - v*|| / ||v*|| <= ||residual|| / (sigma_min(I - J) ||v||), from absolute residuals and ||v||.

    A solver sees I - J along its own steps alone, so sigma_min is an estimate from above, and this is no proof.
    Rounding with relative precision `eps` counts as a residual. 0 where v = 0 is exact; inf where sigma_min is nan.
    """
    nothing = (residual == 0) & (size == 0)
    ratio = residual / torch.where(size > 0, size, torch.ones_like(size))
    bound = torch.where(size > 0, (ratio + ROUNDING * eps) / sigma_min, torch.inf)
    return torch.where(nothing, 0.0, bound.nan_to_num(nan=torch.inf, posinf=torch.inf))


_active: ContextVar[tuple[list[Report], ...]] = ContextVar("eiwork_active_records", default=())


@contextmanager
def reporting_to(*records: list[Report]) -> Iterator[None]:
    """Report the solves inside the block to these records alone."""
    token = _active.set(records)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def record() -> Iterator[list[Report]]:
    """Collect the report of every solve made inside the block: `with eiwork.record() as reports:`."""
    reports: list[Report] = []
    with reporting_to(*_active.get(), reports):
        yield reports


def publish_residual(
    kind: Kind, solver: str, tol: float, residual: Float[Tensor, " batch"], n_evaluations: int
) -> Bool[Tensor, " batch"]:
    """Report a residual that no solver has watched; (batch,) whether it is within the tolerance."""
    outcome = Outcome(converged=residual <= tol, residual=residual, n_evaluations=n_evaluations)
    publish(outcome, kind, solver, tol)
    return outcome.converged


def publish(outcome: Outcome, kind: Kind, solver: str, tol: float, weights: Tensor | None = None) -> None:
    """Hand the report of a solve to every open record."""
    known = {item.name: getattr(outcome, item.name) for item in fields(Outcome)}
    for reports in _active.get():
        reports.append(Report(**known, kind=kind, solver=solver, tol=tol, weights=weights))


def conclude(outcome: Outcome, kind: Kind, solver: Method, dtype: torch.dtype) -> None:
    """Publish the report of a solve in a type; warn or raise, as the solver is set to, if one has not converged."""
    publish(outcome, kind, type(solver).__name__, solver.tol)
    if bool(outcome.converged.all()):
        return
    advice = (
        "The map may not be a contraction: damp it (Picard(damping=0.5)), raise max_iter, try Anderson, or "
        "control the Lipschitz constant of the operator. Dropout is a new map each time: model.eval()."
        if kind == "forward"
        else "I - J is badly conditioned here: raise max_iter, loosen tol, or make the map more contractive."
    )
    worst, eps = float(outcome.residual.max()), torch.finfo(dtype).eps
    if worst <= 2 * ROUNDING * eps:
        advice = (
            f"That is the rounding of {dtype}, {eps:.0e}, and all there is to have: ask for tol={2 * worst:.0e}, or "
            "solve in a longer type: z0.double(), or model.double(), physics.double() and y.double()."
        )
    estimate, bound = "", outcome.error_bound
    if bound is not None and bool(bound.isfinite().all()):
        of_what = "fixed point" if kind == "forward" else "adjoint, and so of the gradient,"
        estimate = f"; the estimated relative error of the {of_what} is {float(bound.max()):.1e}"
    message = (
        f"The {kind} solve by {type(solver).__name__} stopped after {outcome.n_evaluations} evaluations with "
        f"{int((~outcome.converged).sum())} of {outcome.converged.numel()} samples above tolerance {solver.tol:.1e}; "
        f"the largest relative residual is {worst:.2e}{estimate}. {advice}"
    )
    if solver.on_failure == "raise":
        raise ConvergenceError(message, outcome)
    warnings.warn(message, ConvergenceWarning, stacklevel=4)
