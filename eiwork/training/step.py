"""One optimiser step: a batch, the loss, its gradient, the update."""

import math
from dataclasses import dataclass

import torch
from deepinv.physics import LinearPhysics
from torch import Tensor

from eiwork.errors import ConvergenceError
from eiwork.fixed_point import Report, record
from eiwork.losses import WeightedLoss
from eiwork.models import DEQ
from eiwork.training.contraction import sampled_penalty
from eiwork.training.counting import count_tracked
from eiwork.training.foreign import ForeignScans, foreign_penalty
from eiwork.training.measurements import MeasurementSet
from eiwork.training.randomness import batch_indices, seeded
from eiwork.training.recipe import Recipe
from eiwork.training.state import TrainingState
from eiwork.training.warm_start import warm_state

MAX_RMS = 100.0
"""Of a step's reconstructions, whose images lie in [0, 1]: above it a training does not find back."""


@dataclass(frozen=True)
class StepContext:
    """What stays the same from step to step."""

    recipe: Recipe
    physics: LinearPhysics
    loss: WeightedLoss
    images: MeasurementSet
    device: torch.device
    foreign: ForeignScans | None = None


def learning_rate(recipe: Recipe, step: int) -> float:
    """Cosine from the recipe's learning rate at step 0 to zero at the last, times the linear rise of the warm-up."""
    rise = min(1.0, (step + 1) / recipe.optimiser.warmup) if recipe.optimiser.warmup else 1.0
    return recipe.optimiser.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def reconstruct(state: TrainingState, context: StepContext, indices: Tensor, y: Tensor) -> Tensor:
    """The image that the loss judges, its solve to the step's tolerance, from the last equilibria where asked for."""
    model, z0 = state.model, None
    if isinstance(model, DEQ):
        if state.tolerances is not None:
            state.tolerances.apply(model)
        if state.cache is not None:
            z0 = warm_state(model, state.cache, indices, y, context.physics)
    return context.loss.reconstruct(model, y, context.physics, z0)


def _rms(x: Tensor) -> float:
    return float(x.detach().square().mean().sqrt())


def _contracting(
    total: Tensor,
    values: dict[str, float],
    model: DEQ,
    x_net: Tensor,
    y: Tensor,
    context: StepContext,
    reports: list[Report],
) -> Tensor:
    """The loss with the penalties that keep the iteration a contraction, which are told in `values`."""
    settings = context.recipe.contraction
    if settings is None:
        return total
    solves = [report for report in reports if report.kind == "forward"]
    image, y_solved, solved = context.loss.equation(x_net, y, context.physics)
    penalty, lengths = sampled_penalty(model, image, y_solved, solved, settings)
    if settings.rescue:
        rescued = bool(solves) and not any(bool(report.converged.any()) for report in solves)
        values["rescued"] = float(rescued)
        total = torch.zeros_like(total) if rescued else total
    total = total + settings.weight * penalty
    values["contraction"] = float(lengths.max())
    if context.foreign is not None:
        elsewhere, failed = foreign_penalty(model, x_net, context.foreign)
        total = total + context.foreign.settings.weight * elsewhere
        values["foreign_unconverged"] = float(failed)
    return total


def _check(values: dict[str, float], rms: float, step: int) -> None:
    """Raises ConvergenceError where a step has gone wrong: nothing that it computed may reach the weights."""
    advice = (
        "The last checkpoint is intact. Lower optimiser.learning_rate, raise contraction.weight or "
        "model.iteration.shrinkage, or set contraction.rescue, then resume from an earlier run."
    )
    if not all(math.isfinite(value) for value in values.values()):
        raise ConvergenceError(f"The loss or its gradient is not finite at step {step} ({values}). {advice}")
    if rms > MAX_RMS:
        raise ConvergenceError(
            f"The iteration has run away at step {step}: the reconstructions have an RMS of {rms:.1e}, where "
            f"images lie in [0, 1] ({values}). F expands, and solves end far from any fixed point. {advice}"
        )


def train_step(state: TrainingState, context: StepContext) -> dict[str, float]:
    """Do step `state.step` and advance the state; returns the losses and evaluations of the step.

    n_forward, n_adjoint: evaluations of F and of its vector-Jacobian product in the solves; n_tracked: evaluations that
    the gradient passes through, each with one more product. Those of the contraction penalty are not counted.
    foreign_unconverged: foreign scans of the step that were not solved in time, where the recipe has any. rescued: 1
    where the loss was left out because no solve reached its tolerance, else 0, with `contraction.rescue`.
    Everything random in it follows from (recipe.seed, step). Raises ConvergenceError on a loss or gradient
    that is not finite, and on reconstructions with an RMS above MAX_RMS, before the weights are touched.
    """
    recipe, step, model = context.recipe, state.step, state.model
    indices = batch_indices(recipe.seed, step, len(context.images), recipe.optimiser.batch_size)
    batch = context.images[indices].to(context.device)
    y, x = batch.y, batch.x
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(recipe, step) * group["scale"]
    state.optimiser.zero_grad(set_to_none=True)
    with seeded(recipe.seed, "steps", step), record() as reports:
        with count_tracked(model) as tracked:
            x_net = reconstruct(state, context, indices, y)
            total, terms = context.loss(x_net=x_net, y=y, physics=context.physics, model=model, x=x)
        values = {name: float(term.detach()) for name, term in terms.items()}
        if isinstance(model, DEQ):
            total = _contracting(total, values, model, x_net, y, context, reports)
        total.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.optimiser.clip)
    values |= {"loss": float(total.detach()), "gradient_norm": float(norm)}
    _check(values, _rms(x_net), step)
    state.optimiser.step()
    if state.cache is not None:
        state.cache.store(indices, x_net)
    if state.tolerances is not None:
        values |= state.tolerances.update(reports, step / recipe.steps, _rms(x_net), context.loss.residual_rms(values))
    state.step += 1
    state.update_average(recipe.optimiser.ema)
    if tracked.count:
        values["n_tracked"] = float(tracked.count)
    for kind in ("forward", "adjoint"):
        counts = [report.n_evaluations for report in reports if report.kind == kind]
        if counts:
            values[f"n_{kind}"] = float(sum(counts))
            values[f"unconverged_{kind}"] = float(
                sum(int((~report.converged).sum()) for report in reports if report.kind == kind)
            )
    values |= certificates(reports)
    return values


def certificates(reports: list[Report]) -> dict[str, float]:
    """The largest estimated relative error of each kind of solve, and the smallest sigma_min(I - J) seen by any.

    A key is missing where no solve gave a finite estimate.
    """
    values = {}
    for kind in ("forward", "adjoint"):
        bounds = [r.error_bound for r in reports if r.kind == kind and r.error_bound is not None]
        finite = [b for b in torch.cat(bounds).tolist() if math.isfinite(b)] if bounds else []
        if finite:
            values[f"error_{kind}"] = max(finite)
    sigmas = [s for r in reports if r.sigma_min is not None for s in r.sigma_min.tolist() if math.isfinite(s)]
    if sigmas:
        values["sigma_min"] = min(sigmas)
    return values
