"""One optimiser step: a batch, the loss, its gradient, the update."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from torch import Tensor, nn

from eiwork.errors import ConvergenceError
from eiwork.fixed_point import Report, record
from eiwork.losses import Loss
from eiwork.models import DEQ
from eiwork.training.contraction import Contraction
from eiwork.training.optimiser import Optimiser
from eiwork.training.randomness import batch_indices, seeded
from eiwork.training.samples import Samples
from eiwork.training.state import TrainingState

MAX_RMS = 100.0
"""Of a step's reconstructions, in units of those of the untrained model's: above it a training does not find back."""


@dataclass(frozen=True)
class StepContext:
    """What stays the same from step to step."""

    physics: LinearPhysics
    loss: Loss
    samples: Samples
    optimiser: Optimiser
    contraction: Contraction | None
    steps: int
    seed: int
    device: torch.device
    max_rms: float = MAX_RMS


@dataclass
class _Calls:
    """The first call of a model in a step, and how many evaluations of F a gradient passes through."""

    first: tuple[Tensor, LinearPhysics, Tensor] | None = None
    tracked: int = 0


@contextmanager
def watched(model: nn.Module) -> Iterator[_Calls]:
    """Keep the first call of the model, (y, physics, output), and count tracked evaluations of `model.iterate`.

    A DEQ has one a call (Phantom: its steps), an unrolled network all of them; each costs a vector-Jacobian product in
    the backward pass.
    """
    calls = _Calls()

    def called(_: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        if calls.first is None and len(arguments) >= 2:
            calls.first = (arguments[0], arguments[1], output)

    def evaluated(*_: object) -> None:
        calls.tracked += torch.is_grad_enabled()

    iterate = getattr(model, "iterate", None)
    handles = [model.register_forward_hook(called)]
    if isinstance(iterate, nn.Module):
        handles.append(iterate.register_forward_pre_hook(evaluated))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def physics_of(physics: LinearPhysics, params: dict[str, Tensor]) -> LinearPhysics:
    """The physics of a batch: the same, or a copy with the batch's own parameters; the caller's stays as it is."""
    if not params:
        return physics
    own = copy.deepcopy(physics)
    own.update(**params)
    return own


def train_step(state: TrainingState, context: StepContext) -> dict[str, float]:
    """Do step `state.step` and advance the state; returns the losses and evaluations of the step.

    n_forward, n_adjoint: evaluations of F and of its vector-Jacobian product in the solves; n_tracked: evaluations that
    the gradient passes through, each with one more product. Those of the contraction penalty are not counted.
    rescued: 1 where the loss was left out because no solve reached its tolerance, else 0, with `Contraction.rescue`.
    Everything random in it follows from (seed, step). Raises ConvergenceError on a loss or gradient that is not finite,
    and on reconstructions that have run away, before the weights are touched.
    """
    step, model, optimiser = state.step, state.model, context.optimiser
    indices = batch_indices(context.seed, step, len(context.samples), optimiser.batch_size)
    batch = context.samples.batch(indices).to(context.device)
    physics = physics_of(context.physics, batch.params)
    for group in state.optimiser.param_groups:
        group["lr"] = optimiser.rate(step, context.steps) * group["scale"]
    state.optimiser.zero_grad(set_to_none=True)
    with seeded(context.seed, "steps", step), record() as reports:
        with watched(model) as calls:
            terms = context.loss(model, batch.y, physics, batch.x)
        values = {name: float(term.detach()) for name, term in terms.values.items()}
        total = terms.total
        if isinstance(model, DEQ) and context.contraction is not None and calls.first is not None:
            total = _contracting(total, values, model, calls.first, context.contraction, reports)
        total.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), optimiser.clip)
    values |= {"loss": float(total.detach()), "gradient_norm": float(norm)}
    _check(values, calls, step, context.max_rms)
    state.optimiser.step()
    state.step += 1
    state.update_average(optimiser.ema)
    return values | evaluations(reports, calls.tracked)


def _contracting(
    total: Tensor,
    values: dict[str, float],
    model: DEQ,
    first: tuple[Tensor, LinearPhysics, Tensor],
    contraction: Contraction,
    reports: list[Report],
) -> Tensor:
    """The loss with the penalty that keeps the iteration a contraction, which is told in `values`."""
    y, physics, x_hat = first
    penalty, lengths = contraction.penalty(model, x_hat.detach(), y, physics)
    if contraction.rescue:
        solves = [report for report in reports if report.kind == "forward"]
        rescued = bool(solves) and not any(bool(report.converged.any()) for report in solves)
        values["rescued"] = float(rescued)
        total = torch.zeros_like(total) if rescued else total
    values["contraction"] = float(lengths.max())
    return total + contraction.weight * penalty


def _check(values: dict[str, float], calls: _Calls, step: int, max_rms: float) -> None:
    """Raises ConvergenceError where a step has gone wrong: nothing that it computed may reach the weights."""
    advice = (
        "The last checkpoint is intact. Lower learning_rate, raise Contraction(weight=...) or the denoiser's "
        "shrinkage, or set Contraction(rescue=True), then start again or resume from an earlier run."
    )
    if not all(math.isfinite(value) for value in values.values()):
        raise ConvergenceError(f"The loss or its gradient is not finite at step {step} ({values}). {advice}")
    if calls.first is not None and (rms := float(calls.first[2].detach().square().mean().sqrt())) > max_rms:
        raise ConvergenceError(
            f"The iteration has run away at step {step}: the reconstructions have an RMS of {rms:.1e}, above "
            f"{max_rms:.1e} ({values}). F expands, and solves end far from any fixed point. {advice}"
        )


def evaluations(reports: list[Report], tracked: int) -> dict[str, float]:
    """Evaluations by kind, samples that did not converge, the largest estimated error and the smallest sigma_min."""
    values = {"n_tracked": float(tracked)} if tracked else {}
    for kind in ("forward", "adjoint"):
        own = [report for report in reports if report.kind == kind]
        if not own:
            continue
        values[f"n_{kind}"] = float(sum(report.n_evaluations for report in own))
        values[f"unconverged_{kind}"] = float(sum(int((~report.converged).sum()) for report in own))
        bounds = [b for r in own if r.error_bound is not None for b in r.error_bound.tolist() if math.isfinite(b)]
        if bounds:
            values[f"error_{kind}"] = max(bounds)
    sigmas = [s for r in reports if r.sigma_min is not None for s in r.sigma_min.tolist() if math.isfinite(s)]
    return values | ({"sigma_min": min(sigmas)} if sigmas else {})
