"""Inexact solves: tolerances that follow the estimated error of the gradient, loose early and tight late."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point import Implicit, Report
from eiwork.models import DEQ

# One step moves a tolerance by this power of the ratio wanted / estimated: a noisy estimate does not shake it.
_GAIN = 0.3
# And by at most this factor, up or down.
_LARGEST_CHANGE = 2.0
# sigma_min is seen from above and samples differ: true errors were 1.7 and 2.1 times this on two models.
_FORWARD_FACTOR = 2.0


@dataclass(frozen=True, kw_only=True)
class ToleranceSchedule:
    """The relative gradient error that a training step may have, from `start` at step 0 to `end` at the last.

    start, end: relative errors of the gradient, > 0, geometrically interpolated; half of each goes to the forward
    solves and half to the adjoint ones. forward_range, adjoint_range: smallest and largest tolerance, > 0.
    Raises InputError for values out of range.
    """

    start: float = 0.5
    end: float = 0.1
    forward_range: tuple[float, float] = (1e-6, 1e-2)
    adjoint_range: tuple[float, float] = (1e-4, 0.3)

    def __post_init__(self) -> None:
        if not (self.start > 0 and self.end > 0):
            raise InputError(f"ToleranceSchedule(start={self.start}, end={self.end}): errors must be positive.")
        for name, (low, high) in (("forward", self.forward_range), ("adjoint", self.adjoint_range)):
            if not 0 < low <= high:
                raise InputError(f"ToleranceSchedule({name}_range=({low}, {high})): needs 0 < smallest <= largest.")

    def target(self, progress: float | int) -> float:
        """The gradient error allowed at a fraction `progress` in [0, 1] of the training."""
        return float(self.start * (self.end / self.start) ** progress)


@dataclass
class Tolerances:
    """The tolerances of the next step; `update` moves them so that the estimated gradient error meets the target.

    Estimates per step, from the solves' reports: an adjoint solve's certified bound on the relative error of its vector
    is the adjoint part. A forward solve leaves an error of about residual ||x|| / sigma_min(I - J) in x. The gradient
    of a squared loss is proportional to its residual r, so that error over ||r|| is the one of the adjoint's right side
    g, and the solve amplifies it as it does its own residual, by ||g|| / (sigma_min ||v||): that is the forward part.
    All are averages over samples, deterministic, and without state beyond the two numbers. The control law is ours.

    schedule: what to aim at. forward, adjoint: relative tolerances of the two solves, > 0.
    """

    schedule: ToleranceSchedule
    forward: float
    adjoint: float

    def apply(self, model: DEQ) -> None:
        """Give the model's solvers the tolerances; raises InputError without an implicit gradient."""
        if not isinstance(model.gradient, Implicit):
            raise InputError(
                f"A tolerance schedule needs the certificate of implicit gradients; the gradient mode is "
                f"{type(model.gradient).__name__}. Leave out tolerance_schedule."
            )
        model.solver = replace(model.solver, tol=self.forward)
        adjoint: Any = model.gradient.solver
        model.gradient = replace(model.gradient, solver=replace(adjoint, tol=self.adjoint))

    def update(
        self, reports: Sequence[Report], progress: float | int, image_rms: float | int, loss_rms: float | int
    ) -> dict[str, float]:
        """Move the tolerances after a step; returns the estimated error of each part, for the log.

        reports: of the step's solves. progress: fraction of the training done. image_rms: root mean square of the
        reconstruction. loss_rms: of the residual that the loss squares. Solves without a certificate (sigma_min or
        error_bound None) leave the tolerance as it is.
        """
        allowed = self.schedule.target(progress) / 2
        adjoint = _mean([report.error_bound for report in reports if report.kind == "adjoint"])
        # Each kind of solve sees sigma_min from above; the smaller estimate is the better one.
        sigmas = [_mean([r.sigma_min for r in reports if r.kind == kind]) for kind in ("forward", "adjoint")]
        sigma = min((value for value in sigmas if value is not None), default=None)
        residual = _mean([report.residual for report in reports if report.kind == "forward"])
        amplification = _mean([_ratio(report) for report in reports if report.kind == "adjoint"])
        values = {"tol_forward": self.forward, "tol_adjoint": self.adjoint}
        if adjoint is not None:
            values["adjoint_error"] = adjoint
            self.adjoint = _moved(self.adjoint, allowed / max(adjoint, 1e-12), self.schedule.adjoint_range)
        if sigma is not None and residual is not None and amplification is not None:
            right_side = residual * image_rms / (max(sigma, 1e-6) * max(loss_rms, 1e-12))
            error = _FORWARD_FACTOR * right_side * max(amplification, 1.0)
            values["forward_error"] = error
            self.forward = _moved(self.forward, allowed / max(error, 1e-12), self.schedule.forward_range)
        return values


def _mean(values: Sequence[Tensor | None]) -> float | None:
    known = [value.double() for value in values if value is not None]
    known = [value[value.isfinite()] for value in known]
    joined = torch.cat(known) if known else torch.zeros(0)
    return float(joined.mean()) if joined.numel() else None


def _ratio(report: Report) -> Tensor | None:
    """Error over residual of each sample, not finite where nothing was left to solve."""
    return None if report.error_bound is None else report.error_bound / report.residual


def _moved(tolerance: float, ratio: float, allowed: tuple[float, float]) -> float:
    change = min(max(ratio**_GAIN, 1 / _LARGEST_CHANGE), _LARGEST_CHANGE)
    moved = tolerance * change
    return min(max(moved, allowed[0]), allowed[1]) if math.isfinite(moved) else tolerance
