"""What all fixed-point solvers share (init, step, terminate, the loop that drives them), and the plainest, Picard."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point.certificate import relative_error, sigma_from_rate
from eiwork.fixed_point.record import LinearResult, Method
from eiwork.fixed_point.state import Flat, FlatMap, PackedMap, norms, relative

# Two residuals in a row this many times the first one will not come back: stop before they overflow.
_DIVERGED = 1e8
# An iterate this many times as large as the start has run away: there the relative residual vanishes for any map.
_RUN_AWAY = 1e8


@dataclass(frozen=True)
class Progress:
    """Where a solve stands after an evaluation of f; every field has one entry per sample.

    residual: ||f(z) - z|| / ||f(z)|| (or / `reference`); best_*: the iterate with the smallest residual so far;
    initial: absolute residual at z0; initial_size: ||z0|| + ||f(z0)||; memory: what the method remembers;
    trace: the residuals so far; stopped: whether each sample has converged or diverged; evaluations: those of each
    sample until it stopped. The last three are plain numbers: a step waits for the device only once.
    """

    z: Flat
    fz: Flat
    residual: Float[Tensor, " batch"]
    absolute: Float[Tensor, " batch"]
    initial: Float[Tensor, " batch"]
    initial_size: Float[Tensor, " batch"]
    best_z: Flat
    best_fz: Flat
    best_residual: Float[Tensor, " batch"]
    converged: Bool[Tensor, " batch"]
    diverged: Bool[Tensor, " batch"]
    reference: Float[Tensor, " batch"] | None
    n_evaluations: int = 1
    trace: list[list[float]] = field(default_factory=list)
    memory: Any = None
    stopped: list[bool] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FixedPointSolver(Method, ABC):
    """A method for z = f(z), usable step by step: `init`, then `step` until `terminate`.

    tol: relative residual ||f(z) - z|| / ||f(z)|| at which a sample has converged, and stays, if it has fallen at all
    (a fixed point at zero counts as found when the residual is far below the rounding of the start). give_up: each
    (n, r) stops the samples whose residual has not come down to r within n evaluations.
    """

    # Evaluations after which a sample that has not even halved its residual is given up; None: never.
    patience: ClassVar[int | None] = None

    give_up: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for after, enough in self.give_up:
            if not (1 < after < self.max_iter and enough > self.tol):
                raise InputError(
                    f"{type(self).__name__}(give_up={self.give_up}): each (n, r) asks after n evaluations, more than 1 "
                    f"and fewer than max_iter={self.max_iter}, for a residual r above tol={self.tol:.1e}."
                )

    def init(self, f: FlatMap, z0: Flat, reference: Float[Tensor, " batch"] | None = None) -> Progress:
        """Evaluate f at z0. `reference` replaces ||f(z)|| in the relative residual (adjoint systems)."""
        fz = f(z0)
        initial_size = norms(z0.detach()) + norms(fz.detach())
        absolute, residual = self._residual(z0, fz, reference, initial_size)
        converged = residual <= self.tol
        values, _, stopped = _on_host(None, residual, converged, converged)
        return Progress(
            z=z0,
            fz=fz,
            residual=residual,
            absolute=absolute,
            initial=absolute,
            initial_size=initial_size,
            best_z=z0,
            best_fz=fz,
            best_residual=residual,
            converged=converged,
            diverged=torch.zeros_like(converged),
            reference=reference,
            trace=[values],
            stopped=stopped,
            evaluations=[1] * len(stopped),
        )

    def step(self, f: FlatMap, progress: Progress) -> Progress:
        """Choose the next iterate by the method's rule and evaluate f there; stopped samples do not move.

        Where f is a `PackedMap` whose samples can be evaluated apart, stopped samples are not evaluated again.
        """
        candidate, memory = self.propose(progress)
        if any(progress.stopped):
            active = ~(progress.converged | progress.diverged)
            candidate = torch.where(active[:, None], candidate, progress.z)
            if isinstance(f, PackedMap) and not all(progress.stopped):
                f = partial(f.of_samples, others=progress.fz, active=active)
        return self.evaluate(f, progress, candidate, memory)

    def evaluate(self, f: FlatMap, progress: Progress, z: Flat, memory: Any) -> Progress:
        """Evaluate f at z and take stock."""
        fz = f(z)
        absolute, residual = self._residual(z, fz, progress.reference, progress.initial_size)
        n_evaluations = progress.n_evaluations + 1
        better = residual < progress.best_residual
        twice = torch.minimum(absolute, progress.absolute)
        # Before the rounding of f(z) swallows its steps, but not where half precision is merely coarse.
        limit = min(_RUN_AWAY, max(1e3, 0.1 / torch.finfo(fz.dtype).eps))
        ran_away = norms(fz.detach()) > limit * progress.initial_size
        diverged = progress.diverged | (twice > _DIVERGED * progress.initial) | ran_away
        # A relative residual that is small only because f(z) has grown is no convergence.
        converged = progress.converged | ((residual <= self.tol) & (absolute < progress.initial) & ~diverged)
        if n_evaluations == self.patience:
            smallest = torch.minimum(absolute, norms(progress.best_fz - progress.best_z))
            diverged = diverged | (~converged & (smallest > progress.initial / 2))
        for after, enough in self.give_up:
            if n_evaluations == after:
                nearest = torch.minimum(residual, progress.best_residual)
                diverged = diverged | (~converged & (nearest > enough))
        counts = zip(progress.evaluations, progress.stopped, strict=True)
        values, improved, stopped = _on_host(progress, residual, better, converged | diverged)
        best_z, best_fz = progress.best_z, progress.best_fz
        if all(improved):
            best_z, best_fz = z, fz
        elif any(improved):
            best_z = torch.where(better[:, None], z, best_z)
            best_fz = torch.where(better[:, None], fz, best_fz)
        return replace(
            progress,
            z=z,
            fz=fz,
            residual=residual,
            absolute=absolute,
            best_z=best_z,
            best_fz=best_fz,
            best_residual=torch.minimum(residual, progress.best_residual),
            converged=converged,
            diverged=diverged,
            n_evaluations=n_evaluations,
            trace=[*progress.trace, values],
            memory=memory,
            stopped=stopped,
            evaluations=[old if rests else n_evaluations for old, rests in counts],
        )

    def _residual(
        self, z: Flat, fz: Flat, reference: Float[Tensor, " batch"] | None, initial_size: Float[Tensor, " batch"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        # Residuals only steer the solve; gradients never pass through them.
        z, fz = z.detach(), fz.detach()
        absolute = norms(fz - z)
        if reference is None:
            # A fixed point at zero is reached when the residual is far below the rounding of the start.
            floor = 1e-3 * min(1.0, torch.finfo(fz.dtype).eps / self.tol)
            reference = torch.maximum(norms(fz), floor * initial_size)
        return absolute, relative(absolute, reference)

    def terminate(self, progress: Progress) -> bool:
        """Whether every sample has converged (or diverged), or the evaluations are used up."""
        return progress.n_evaluations >= self.max_iter or all(progress.stopped)

    def run(self, f: FlatMap, z0: Flat, reference: Float[Tensor, " batch"] | None = None) -> Progress:
        """Drive init, step and terminate to the end."""
        progress = self.init(f, z0, reference)
        while not self.terminate(progress):
            progress = self.step(f, progress)
        return progress

    def solve_linear(self, product: FlatMap, b: Flat) -> LinearResult:
        """Solve (I - M) v = b as the fixed point v = b + M v, each sample to `tol` relative to its ||b||."""
        reference = norms(b).clamp(min=torch.finfo(torch.float32).tiny)
        progress = self.run(lambda v: b + product(v), b, reference=reference)
        absolute, value = progress.best_residual * reference, progress.best_z
        return LinearResult(value=value, **self.outcome(progress, absolute, norms(value)))

    def outcome(
        self, progress: Progress, absolute: Float[Tensor, " batch"], size: Float[Tensor, " batch"]
    ) -> dict[str, Any]:
        """The fields of `Outcome`; absolute, size: the best residual and the norm of its iterate, in one unit."""
        sigma, eps = self.sigma_min(progress), torch.finfo(progress.best_z.dtype).eps
        return {
            "converged": progress.converged,
            "residual": progress.best_residual,
            "n_evaluations": progress.n_evaluations,
            "trace": list(progress.residual.new_tensor(progress.trace).unbind()),
            "sigma_min": sigma,
            "error_bound": None if sigma is None else relative_error(absolute, size, sigma, eps),
        }

    @abstractmethod
    def propose(self, progress: Progress) -> tuple[Flat, Any]:
        """The next iterate and what the method remembers for the one after it."""

    def sigma_min(self, progress: Progress) -> Float[Tensor, " batch"] | None:
        """An estimate from above of the smallest stretch of I - J, nan before a first step; None without one."""
        return None


@dataclass(frozen=True, kw_only=True)
class Picard(FixedPointSolver):
    """Plain (damping = 1) or damped fixed-point iteration; converges linearly when the map contracts.

    damping: weight of f(z) in (0, 1]. Raises InputError outside that range. Source: Banach (1922); damped form:
    Krasnoselskii (1955).
    """

    damping: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_damping(self, self.damping)

    def propose(self, progress: Progress) -> tuple[Flat, None]:
        """A step of length `damping` along the residual."""
        if self.damping == 1.0:
            return progress.fz, None
        return progress.z + self.damping * (progress.fz - progress.z), None

    def sigma_min(self, progress: Progress) -> Float[Tensor, " batch"]:
        """One minus the rate of contraction, the stretch of I - J along the slowest mode of the iteration."""
        return progress.residual.new_tensor(sigma_from_rate(progress.trace, self.tol, self.damping))


def check_damping(owner: object, damping: float | int) -> None:
    """InputError unless damping lies in (0, 1]."""
    if not 0 < damping <= 1:
        name = type(owner).__name__
        raise InputError(f"{name}(damping={damping}): damping must lie in (0, 1]; 1 is undamped.")


def _on_host(last: Progress | None, residual: Tensor, *flags: Tensor) -> tuple[list[float], list[bool], list[bool]]:
    """A (batch,) residual and two (batch,) truth values as plain numbers, in one transfer.

    Raises ConvergenceError with the last progress, before this evaluation, for a residual that is not finite.
    """
    rows = torch.stack([residual, *(flag.to(residual.dtype) for flag in flags)]).tolist()
    if n_bad := sum(not math.isfinite(value) for value in rows[0]):
        evaluation = 1 if last is None else last.n_evaluations + 1
        raise ConvergenceError(
            f"f returned non-finite values for {n_bad} of {len(rows[0])} samples at evaluation {evaluation}. "
            "The input may hold NaN, or the iteration diverges: check y and z0 with torch.isfinite, lower the step "
            "size, or control the Lipschitz constant of the operator.",
            last,
        )
    return rows[0], *([value > 0 for value in row] for row in rows[1:])
