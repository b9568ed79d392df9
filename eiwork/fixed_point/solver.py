"""The common part of all fixed-point solvers: init, step, terminate, and the loop that drives them."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point.state import Flat, FlatMap, norms

OnFailure = Literal["warn", "raise"]
# A residual that grew by this factor since the start will not come back: stop before it overflows.
_DIVERGED = 1e8


@dataclass(frozen=True)
class Progress:
    """Where a solve stands after an evaluation of f; every field has one entry per sample.

    z: current iterate; fz: f(z); residual: ||f(z) - z|| / ||f(z)|| (or / `reference`); best_*: the iterate
    with the smallest residual so far; initial: absolute residual at z0; trace: the residuals of every evaluation,
    as plain numbers (small tensors kept between the large ones of each step would fragment the memory, which then
    grows with the iterations); memory: what the method remembers.
    """

    z: Flat
    fz: Flat
    residual: Float[Tensor, " batch"]
    absolute: Float[Tensor, " batch"]
    initial: Float[Tensor, " batch"]
    best_z: Flat
    best_fz: Flat
    best_residual: Float[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]
    diverged: Bool[Tensor, " batch"]
    reference: Float[Tensor, " batch"] | None
    n_evaluations: int = 1
    trace: list[list[float]] = field(default_factory=list)
    memory: Any = None


@dataclass(frozen=True, kw_only=True)
class FixedPointSolver(ABC):
    """A method for z = f(z), usable step by step: `init`, then `step` until `terminate`.

    tol: relative residual at which a sample has converged, > 0. Converged samples stay where they are.
    max_iter: largest number of evaluations of f, >= 1.
    on_failure: "warn" (ConvergenceWarning) or "raise" (ConvergenceError) when a sample does not converge.
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

    def init(self, f: FlatMap, z0: Flat, reference: Float[Tensor, " batch"] | None = None) -> Progress:
        """Evaluate f at z0. `reference` replaces ||f(z)|| in the relative residual (adjoint systems)."""
        fz = f(z0)
        absolute, residual = _residual(z0, fz, reference)
        _raise_if_not_finite(residual, evaluation=1, best=None)
        return Progress(
            z=z0,
            fz=fz,
            residual=residual,
            absolute=absolute,
            initial=absolute,
            best_z=z0,
            best_fz=fz,
            best_residual=residual,
            converged=residual <= self.tol,
            diverged=torch.zeros_like(residual, dtype=torch.bool),
            reference=reference,
            trace=[residual.tolist()],
        )

    def step(self, f: FlatMap, progress: Progress) -> Progress:
        """Choose the next iterate by the method's rule and evaluate f there; stopped samples do not move."""
        candidate, memory = self.propose(progress)
        stopped = (progress.converged | progress.diverged)[:, None]
        return self.evaluate(f, progress, torch.where(stopped, progress.z, candidate), memory)

    def evaluate(self, f: FlatMap, progress: Progress, z: Flat, memory: Any) -> Progress:
        """Evaluate f at z and take stock."""
        fz = f(z)
        absolute, residual = _residual(z, fz, progress.reference)
        n_evaluations = progress.n_evaluations + 1
        _raise_if_not_finite(residual, n_evaluations, progress)
        better = residual < progress.best_residual
        return replace(
            progress,
            z=z,
            fz=fz,
            residual=residual,
            absolute=absolute,
            best_z=torch.where(better[:, None], z, progress.best_z),
            best_fz=torch.where(better[:, None], fz, progress.best_fz),
            best_residual=torch.minimum(residual, progress.best_residual),
            converged=progress.converged | (residual <= self.tol),
            diverged=progress.diverged | (absolute > _DIVERGED * progress.initial),
            n_evaluations=n_evaluations,
            trace=[*progress.trace, residual.tolist()],
            memory=memory,
        )

    def terminate(self, progress: Progress) -> bool:
        """Whether every sample has converged (or diverged), or the evaluations are used up."""
        return progress.n_evaluations >= self.max_iter or bool((progress.converged | progress.diverged).all())

    def run(self, f: FlatMap, z0: Flat, reference: Float[Tensor, " batch"] | None = None) -> Progress:
        """Drive init, step and terminate to the end."""
        progress = self.init(f, z0, reference)
        while not self.terminate(progress):
            progress = self.step(f, progress)
        return progress

    @abstractmethod
    def propose(self, progress: Progress) -> tuple[Flat, Any]:
        """The next iterate and what the method remembers for the one after it."""


def report_failure(
    kind: str,
    solver: str,
    residual: Float[Tensor, " batch"],
    converged: Bool[Tensor, " batch"],
    tol: float,
    n_evaluations: int,
    on_failure: OnFailure,
    solution: object,
) -> None:
    """Warn or raise, in the words of advice, if a sample has not converged."""
    if bool(converged.all()):
        return
    advice = (
        "The map may not be a contraction: damp it (Picard(damping=0.5)), raise max_iter, try Anderson, or "
        "control the Lipschitz constant of the operator."
        if kind == "forward"
        else "I - J is badly conditioned here: raise max_iter, loosen tol, or make the map more contractive."
    )
    message = (
        f"The {kind} solve by {solver} stopped after {n_evaluations} evaluations with "
        f"{int((~converged).sum())} of {converged.numel()} samples above tolerance {tol:.1e}; "
        f"the largest relative residual is {float(residual.max()):.2e}. {advice}"
    )
    if on_failure == "raise":
        raise ConvergenceError(message, solution)
    warnings.warn(message, ConvergenceWarning, stacklevel=4)


def _residual(
    z: Flat, fz: Flat, reference: Float[Tensor, " batch"] | None
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    # Residuals only steer the solve; gradients never pass through them.
    z, fz = z.detach(), fz.detach()
    absolute = norms(fz - z)
    scale = norms(fz) if reference is None else reference
    relative = absolute / torch.clamp(scale, min=torch.finfo(absolute.dtype).tiny)
    return absolute, torch.where(absolute == 0, torch.zeros_like(relative), relative)


def _raise_if_not_finite(residual: Tensor, evaluation: int, best: Progress | None) -> None:
    if bool(residual.isfinite().all()):
        return
    n_bad = int((~residual.isfinite()).sum())
    raise ConvergenceError(
        f"f returned non-finite values for {n_bad} of {residual.numel()} samples at evaluation {evaluation}. "
        "The input may hold NaN, or the iteration diverges: check y and z0 with torch.isfinite, lower the step "
        "size, or control the Lipschitz constant of the operator.",
        best,
    )
