"""Exact gradients of a finite iteration: unrolling (states stored), and reversible steps (states recomputed)."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point.approximate import refuse_second_derivative
from eiwork.fixed_point.calling import without_autocast
from eiwork.fixed_point.capture import Capture, Substitute, refuse_transforms, unseen
from eiwork.fixed_point.implicit import cut_off
from eiwork.fixed_point.record import publish_residual, require
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import Flat, FlatMap, PackedMap, Packing, State, StateMap, norms, relative

_DRIFT = 1e-3  # of the recomputed start from the known one: beyond, gradients have lost too many digits


@dataclass(frozen=True)
class Unrolled:
    """Runs exactly `steps` steps of the solver and backpropagates through all of them.

    The solver's tolerance does not stop it, and memory grows with `steps`. Derivatives of every order are those of the
    finite iteration.

    steps: >= 1. checkpoint_every: in 1..steps; keeps only the solver's state after every so many steps and evaluates
    each stretch again in the backward pass: the same gradient for less memory. Raises InputError for other values.
    """

    steps: int
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        require(self, self.steps >= 1, "at least one step is needed.", steps=self.steps)
        fine = self.checkpoint_every is None or 1 <= self.checkpoint_every <= self.steps
        advice = "a stretch has 1 to `steps` steps; about the square root of `steps` needs least memory."
        require(self, fine, advice, steps=self.steps, checkpoint_every=self.checkpoint_every)

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The state after `steps` steps of `solver`, differentiable through each of them."""
        packing = Packing.of(z0)
        flat_map, start = PackedMap(f, packing), packing.pack(z0)
        progress: Any = start
        try:
            if self.checkpoint_every is None or not torch.is_grad_enabled():
                progress = _stretch(solver, flat_map, start, self.steps)
            else:
                for done in range(0, self.steps, self.checkpoint_every):
                    n = min(self.checkpoint_every, self.steps - done)
                    progress = checkpoint(_stretch, solver, flat_map, progress, n, use_reentrant=False)
        except RuntimeError:
            # vmap, and forward mode for some solvers, cannot follow a solver's steps.
            refuse_transforms()
            raise
        z, _ = solver.propose(progress)
        publish_residual("forward", type(solver).__name__, solver.tol, progress.residual, progress.n_evaluations)
        return packing.unpack(z)


def _stretch(solver: FixedPointSolver, f: FlatMap, state: Tensor | Progress, n_evaluations: int) -> Progress:
    """`n_evaluations` more evaluations of f, from a start or from where an earlier stretch ended."""
    if isinstance(state, Tensor):
        state, n_evaluations = solver.init(f, state), n_evaluations - 1
    for _ in range(n_evaluations):
        # Not solver.step: a sample that stopped moving would stop its gradient too.
        state = solver.evaluate(f, state, *solver.propose(state))
    return state


@dataclass(frozen=True)
class Reversible:
    """Runs `steps` coupled steps that can be undone, and differentiates exactly them with the memory of one evaluation.

    y <- (1 - damping) y + damping f(z), then z <- (1 - damping) z + damping f(y), from y = z = z0; the output is the
    last z. The backward pass undoes the steps and evaluates f again; gradients reach z0 and every tensor that f closes
    over. Of `solver`, only `tol` is used, for the forward report.

    Undoing a step magnifies rounding by 1 / (1 - damping) to 1 / (1 - damping)^2: in float64, more than about 25 steps
    at damping 0.5, or 10 at 0.8, drift. The residual of the adjoint report is that drift, ||z0 recomputed - z0|| /
    ||z||; ConvergenceWarning above 1e-3.

    steps: >= 1. damping: in (0, 1), 1 excluded. Raises InputError for others, or when differentiated again.
    Source: McCallum, Arora & Foster, RevDEQ, arXiv 2509.12917.
    """

    steps: int = 12
    damping: float = 0.5

    def __post_init__(self) -> None:
        require(self, self.steps >= 1, "at least one step is needed; try 12.", steps=self.steps)
        advice = "damping must lie strictly between 0 and 1; a step with 1 cannot be undone. Try 0.5."
        require(self, 0 < self.damping < 1, advice, damping=self.damping)

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The state after the coupled steps, differentiable in O(1) memory."""
        refuse_transforms()
        packing = Packing.of(z0)
        flat_map, start = PackedMap(f, packing), packing.pack(z0)
        if not torch.is_grad_enabled():
            return packing.unpack(self.run(flat_map, start, flat_map(start), solver.tol)[0].to(start.dtype))
        closed = _ClosedOver(flat_map, start)
        return packing.unpack(_Steps.apply(self, closed, solver.tol, start, *closed.attached))

    def run(self, f: FlatMap, start: Flat, image: Flat, tol: float) -> tuple[Flat, Flat]:
        """z and y after the steps, in wide precision; `image` is f(start)."""
        y = z = _wide(start)
        keep = 1 - self.damping
        for step in range(self.steps):
            y = keep * y + self.damping * (image if step == 0 else f(z.to(start.dtype)))
            image = f(y.to(start.dtype))
            residual = relative(norms(_wide(image) - y), norms(_wide(image)))
            z = keep * z + self.damping * image
        publish_residual("forward", "Reversible", tol, residual, 2 * self.steps)  # of y, where f was evaluated last
        if not bool(z.isfinite().all()):
            raise ConvergenceError(
                f"f returned non-finite values within {self.steps} reversible steps: the iteration diverges. Lower "
                "Reversible's damping or control the Lipschitz constant of the operator."
            )
        return z, y


class _ClosedOver:
    """The differentiable tensors behind a flat map, found at one evaluation, and its partial derivatives."""

    def __init__(self, f: FlatMap, z: Flat) -> None:
        self.f = f
        (z,) = cut_off([z])
        with torch.compiler.set_stance("force_eager"), Capture([z]) as capture:
            outputs = f(z)
        self.attached, self._originals = tuple(capture.attached), capture.originals
        _refuse_unseen(outputs, (z, *capture.aliases))
        self.value = outputs.detach()

    def pull(self, z: Flat, values: Sequence[Tensor]) -> tuple[Flat, Callable[[Flat], tuple[Tensor, ...]]]:
        """f(z) and w -> (w^T df/dz, w^T df/dp for each closed-over p), with `values` in the place of those."""
        with torch.enable_grad():
            z, *aliases = cut_off([z, *values])
            with torch.compiler.set_stance("force_eager"), Substitute(self._originals, aliases):
                outputs = self.f(z)
        _refuse_unseen(outputs, (z, *aliases))

        def back(w: Flat) -> tuple[Tensor, ...]:
            if not outputs.requires_grad:
                return tuple(torch.zeros_like(t) for t in (z, *aliases))
            with without_autocast(w.device.type):
                return torch.autograd.grad(outputs, (z, *aliases), w, allow_unused=True, materialize_grads=True)

        return outputs.detach(), back


class _Steps(torch.autograd.Function):
    """All reversible steps as one node, which keeps their end and start only."""

    @staticmethod
    def forward(ctx: Any, mode: Reversible, closed: _ClosedOver, tol: float, start: Flat, *attached: Tensor) -> Flat:
        z, y = mode.run(closed.f, start, closed.value, tol)
        ctx.mode, ctx.closed = mode, closed
        ctx.save_for_backward(z, y, start, *attached)
        return z.to(start.dtype)

    @staticmethod
    def backward(ctx: Any, g: Flat) -> tuple[Tensor | None, ...]:
        """Undo each half step and pass the gradient through f there."""
        refuse_second_derivative("Reversible")
        mode: Reversible = ctx.mode
        z, y, start, *values = ctx.saved_tensors
        length, narrow = norms(z), start.dtype
        of_z, of_y = _wide(g), torch.zeros_like(z)
        of_values = [torch.zeros_like(value) for value in values]
        for _ in range(2 * mode.steps):
            # z was made from its former self and f(y); after the swap the same holds for y and f(z).
            image, back = ctx.closed.pull(y.to(narrow), values)
            z = (z - mode.damping * image) / (1 - mode.damping)
            partial, *parts = back((mode.damping * of_z).to(narrow))
            of_y, of_z = of_y + partial, (1 - mode.damping) * of_z
            of_values = [total + part for total, part in zip(of_values, parts, strict=True)]
            z, y, of_z, of_y = y, z, of_y, of_z
        drift = relative(torch.maximum(norms(z - start), norms(y - start)), length)
        if not bool(publish_residual("adjoint", "Reversible", _DRIFT, drift, 2 * mode.steps).all()):
            warnings.warn(
                f"Undoing {mode.steps} reversible steps drifted by up to {float(drift.max()):.1e} of the state, so the "
                "gradient is inexact: rounding grows with every step undone. Use fewer steps, a smaller damping, "
                "or gradient=Unrolled(steps, checkpoint_every=...).",
                ConvergenceWarning,
                stacklevel=2,
            )
        return None, None, None, (of_z + of_y).to(narrow), *of_values


def _wide(flat: Flat) -> Flat:
    # Some accelerators have no float64.
    return flat.detach().to(torch.float32 if flat.device.type == "mps" else torch.float64)


def _refuse_unseen(outputs: Flat, stops: Sequence[Tensor]) -> None:
    if unseen((outputs,), stops):
        raise InputError(
            "Reversible cannot follow a tensor that needs gradients and that f uses only as a direct argument of a "
            "custom autograd.Function, or only at some evaluations. Pass it through an ordinary operation first, for "
            "example x * 1.0 inside f, or use gradient=Unrolled(steps)."
        )
