"""What all fixed-point solvers share (init, step, terminate, the loop that drives them), and the plainest, Picard."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.errors import ConvergenceError
from eiwork.fixed_point.record import ROUNDING, LinearResult, Method, relative_error, require, require_damping
from eiwork.fixed_point.state import Flat, FlatMap, PackedMap, norms, relative

_DIVERGED = 1e8  # two residuals in a row this many times the first one: stop before they overflow
_RUN_AWAY = 1e8  # an iterate this many times the start: there the relative residual vanishes for any map
_LATELY, _LITTLE = (
    10,
    0.8,
)  # of the residual at the rounding of f, after that many more evaluations: it has come to rest


@dataclass(frozen=True)
class Progress:
    """Where a solve stands after an evaluation of f, sample by sample.

    residual: ||f(z) - z|| / ||f(z)|| (or / `reference`); best_*: the iterate with the smallest one so far; initial:
    absolute residual at z0; initial_size: ||z0|| + ||f(z0)||; memory: of the method; stopped: has converged or
    diverged; evaluations: until then. These and the trace are plain numbers: a step waits for the device only once.
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

    tol: relative residual ||f(z) - z|| / ||f(z)|| at which a sample has converged, and stays, if it has fallen at all.
    give_up: each (n, r) stops the samples whose residual has not come down to r within n evaluations.
    """

    patience: ClassVar[int | None] = None  # evaluations after which a sample without half its residual is given up
    give_up: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        advice = f"more than 1 and fewer than max_iter={self.max_iter}, for a residual r above tol={self.tol:.1e}."
        for after, enough in self.give_up:
            fine = 1 < after < self.max_iter and enough > self.tol
            require(self, fine, f"each (n, r) asks after n evaluations, {advice}", give_up=self.give_up)

    def init(self, f: FlatMap, z0: Flat, reference: Float[Tensor, " batch"] | None = None) -> Progress:
        """Evaluate f at z0. `reference` replaces ||f(z)|| in the relative residual (adjoint systems)."""
        fz = f(z0)
        size = norms(z0.detach()) + norms(fz.detach())
        absolute, residual = self._residual(z0, fz, reference, size)
        converged = residual <= self.tol
        values, _, stopped = _on_host(None, residual, converged, converged)
        none, once = torch.zeros_like(converged), [1] * len(stopped)
        start = Progress(z0, fz, residual, absolute, absolute, size, z0, fz, residual, converged, none, reference)
        return replace(start, trace=[values], stopped=stopped, evaluations=once)

    def step(self, f: FlatMap, progress: Progress) -> Progress:
        """Evaluate f at the next iterate. Stopped samples stay, and those of a map with `select` are not evaluated."""
        candidate, memory = self.propose(progress)
        if any(progress.stopped):
            active = ~(progress.converged | progress.diverged)
            candidate = torch.where(active[:, None], candidate, progress.z)
            if isinstance(f, PackedMap) and not all(progress.stopped):
                samples = [i for i, rests in enumerate(progress.stopped) if not rests]
                f = partial(f.of_samples, others=progress.fz, samples=samples)
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
                diverged = diverged | (~converged & (torch.minimum(residual, progress.best_residual) > enough))
        values, improved, stopped = _on_host(progress, residual, better, converged | diverged)
        best_z, best_fz = (z, fz) if all(improved) else (progress.best_z, progress.best_fz)
        if any(improved) and not all(improved):
            best_z, best_fz = torch.where(better[:, None], z, best_z), torch.where(better[:, None], fz, best_fz)
        counts = zip(progress.evaluations, progress.stopped, strict=True)
        new: dict[str, Any] = {"z": z, "fz": fz, "residual": residual, "absolute": absolute, "memory": memory}
        new |= {"converged": converged, "diverged": diverged, "stopped": stopped, "n_evaluations": n_evaluations}
        new["evaluations"] = [old if rests else n_evaluations for old, rests in counts]
        new |= {"trace": [*progress.trace, values], "best_z": best_z, "best_fz": best_fz}
        return replace(progress, **new, best_residual=torch.minimum(residual, progress.best_residual))

    def _residual(
        self, z: Flat, fz: Flat, reference: Float[Tensor, " batch"] | None, initial_size: Float[Tensor, " batch"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        z, fz = z.detach(), fz.detach()  # residuals only steer the solve
        absolute = norms(fz - z)
        if reference is None:
            # A fixed point at zero is reached when the residual is far below the rounding of the start.
            floor = 1e-3 * min(1.0, torch.finfo(fz.dtype).eps / self.tol)
            reference = torch.maximum(norms(fz), floor * initial_size)
        return absolute, relative(absolute, reference)

    def terminate(self, progress: Progress) -> bool:
        """Whether every sample has converged, diverged or come to rest, or the evaluations are used up."""
        if progress.n_evaluations >= self.max_iter or all(progress.stopped):
            return True
        return all(a or b for a, b in zip(progress.stopped, self._resting(progress), strict=True))

    def _resting(self, progress: Progress) -> list[bool]:
        """Which samples have come down to the rounding of f, above tol, and lately hardly any further."""
        rounding = ROUNDING * max(self.rounding, torch.finfo(progress.z.dtype).eps)
        if self.tol >= rounding or progress.n_evaluations <= _LATELY:
            return [False] * len(progress.stopped)
        lows = [(min(residuals), min(residuals[:-_LATELY])) for residuals in zip(*progress.trace, strict=True)]
        return [_LITTLE * before < lowest <= 2 * rounding for lowest, before in lows]

    def run(self, f: FlatMap, z0: Flat, reference: Float[Tensor, " batch"] | None = None) -> Progress:
        """Init, and step until terminate."""
        progress = self.init(f, z0, reference)
        while not self.terminate(progress):
            progress = self.step(f, progress)
        if self.rounding:  # more than f can say is not asked for
            rest = progress.converged.new_tensor(self._resting(progress)) & ~progress.diverged
            progress = replace(progress, converged=progress.converged | rest)
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

    damping: weight of f(z) in (0, 1]. Source: Banach (1922); damped form: Krasnoselskii (1955).
    """

    damping: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_damping(self, self.damping)

    def propose(self, progress: Progress) -> tuple[Flat, None]:
        """A step of length `damping` along the residual."""
        whole = self.damping == 1.0
        return progress.fz if whole else progress.z + self.damping * (progress.fz - progress.z), None

    def sigma_min(self, progress: Progress) -> Float[Tensor, " batch"]:
        """One minus the slowest rate of the last steps until tol is reached; 0 without contraction."""
        found = []
        for residuals in zip(*progress.trace, strict=True):
            last = next((k for k, value in enumerate(residuals) if value <= self.tol), len(residuals) - 1)
            rates = [b / a for a, b in pairwise(residuals[max(0, last - 3) : last + 1]) if a > 0]
            found.append(max(0.0, 1 - max(rates)) / self.damping if rates else math.nan)
        return progress.residual.new_tensor(found)


def _on_host(last: Progress | None, residual: Tensor, *flags: Tensor) -> tuple[list[float], list[bool], list[bool]]:
    """Residuals and truth values as plain numbers, in one transfer; ConvergenceError with `last` for one not finite."""
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
