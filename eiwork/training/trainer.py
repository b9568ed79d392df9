"""Training a recipe to a checkpoint: resumable, interruptible, deterministic."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from eiwork import device as devices
from eiwork.errors import CheckpointError, ConvergenceWarning
from eiwork.files import ensure_output_folder
from eiwork.provenance import code_version, machine
from eiwork.training.build import (
    build_cache,
    build_model,
    build_optimiser,
    build_physics,
    build_tolerances,
)
from eiwork.training.build_loss import build_reconstructor, build_training_loss
from eiwork.training.checkpoints import save_checkpoint
from eiwork.training.evaluation import evaluate_model, linear_baselines, summarise
from eiwork.training.foreign import ForeignScans
from eiwork.training.gradient_probe import probe_gradients
from eiwork.training.interrupt import interruptible
from eiwork.training.measurements import MeasurementSet, test_set, training_set
from eiwork.training.pretraining import pretrain
from eiwork.training.randomness import seeded
from eiwork.training.recipe import Recipe
from eiwork.training.start import starting_model
from eiwork.training.state import TrainingState
from eiwork.training.step import StepContext, train_step

OnStep = Callable[..., Any]
_SAVE_EVERY_SECONDS = 60.0
_N_MONITORED = 32


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves.

    checkpoint: the .safetensors file. metrics: summaries on the test split. interrupted: stopped before its last step.
    history: one entry per monitored step, with `step`, `seconds` and `cpu_seconds` of the steps so far (without
    monitoring), the losses, evaluations of the step (`n_*`) and so far (`total_*`), and held-out figures.
    probes: one entry per gradient probe, see `probe_gradients`.
    """

    checkpoint: Path
    metrics: dict[str, Any]
    interrupted: bool
    history: list[dict[str, float]] = field(repr=False)
    probes: list[dict[str, float]] = field(default_factory=list, repr=False)


def train(
    recipe: Recipe,
    output: Path,
    device: str = "auto",
    resume: bool = False,
    progress: bool = True,
    on_step: OnStep | None = None,
    should_stop: Callable[[], bool] | None = None,
    measure: bool = True,
) -> TrainingResult:
    """Train a recipe and write model.safetensors + model.json (the averaged weights and their card) to `output`.

    Held-out images are looked at every `monitor_every` steps for the progress display alone: no step, stop or choice of
    weights depends on them. Ctrl-C ends the training after the step at hand and leaves a checkpoint from which
    `resume=True` continues; a resumed training equals an uninterrupted one bit for bit on the same machine.
    on_step: called as on_step(step, **values) after every step, for live plots. should_stop: asked before every step;
    true ends the training as Ctrl-C does. measure: whether to evaluate on the test images at the end (`metrics`, else
    empty).
    Raises CheckpointError (unusable or occupied output, foreign state), InputError (device), ConvergenceError
    (loss not finite).
    """
    place = devices.resolve(device)
    folder = _checked_folder(Path(output), resume)
    state, context, held_out = _prepare(recipe, place)
    monitored = held_out[torch.linspace(0, len(held_out) - 1, min(_N_MONITORED, len(held_out))).round().long()]
    if resume:
        state.restore(folder, recipe)
    saved = time.monotonic()
    bar = tqdm(total=recipe.steps, initial=state.step, desc=recipe.name, disable=not progress, unit="step")
    with interruptible() as interrupt, bar:
        with _timed(state):
            ready = pretrain(state, context, interrupt)
        while ready and state.step < recipe.steps and not interrupt.requested:
            if should_stop is not None and should_stop():
                break
            with warnings.catch_warnings():
                # Solves that miss their tolerance are counted in `unconverged_*`, in the bar and in the history.
                warnings.simplefilter("ignore", ConvergenceWarning)
                if recipe.gradient_probe_every and state.step % recipe.gradient_probe_every == 0:
                    state.probes.append(probe_gradients(state, context))
                with _timed(state):
                    values = train_step(state, context)
            totals = state.count(values)
            if state.step % recipe.monitor_every == 0 or state.step == recipe.steps:
                values |= totals | _monitor(state, context, monitored)
                spent = {"seconds": state.seconds, "cpu_seconds": state.cpu_seconds}
                state.history.append({"step": float(state.step), **spent, **values})
            _show(bar, values, state.history)
            if on_step is not None:
                on_step(state.step, **values)
            if time.monotonic() - saved > _SAVE_EVERY_SECONDS and state.step < recipe.steps:
                _save(state, context, folder, metrics={})
                saved = time.monotonic()
        # A stopped training is evaluated too, but a second Ctrl-C may skip that: save first.
        checkpoint, metrics = _save(state, context, folder, metrics={}), {}
        if measure:
            metrics = _final_metrics(state, context, held_out)
            checkpoint = _save(state, context, folder, metrics)
    return TrainingResult(checkpoint, metrics, state.step < recipe.steps, state.history, state.probes)


@contextmanager
def _timed(state: TrainingState) -> Iterator[None]:
    """Add the time of a block to the state's, wall clock and processor."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    state.seconds += time.monotonic() - wall
    state.cpu_seconds += time.process_time() - cpu


def _checked_folder(output: Path, resume: bool) -> Path:
    folder = ensure_output_folder(output)
    occupied = (folder / "state.json").exists()
    if occupied and not resume:
        raise CheckpointError(
            f"{folder} already holds a training: continue it with --resume, or choose another --output."
        )
    if resume and not occupied:
        raise CheckpointError(f"{folder} holds no training to resume: state.json is missing. Leave out --resume.")
    return folder


def _prepare(recipe: Recipe, place: torch.device) -> tuple[TrainingState, StepContext, MeasurementSet]:
    physics = build_physics(recipe.physics, recipe.data.image_size)
    images, held_out = training_set(recipe, physics), test_set(recipe, physics)
    model = starting_model(recipe).to(place)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    optimiser = build_optimiser(recipe, model)
    foreign = recipe.contraction.foreign if recipe.contraction is not None else None
    scans = None if foreign is None else ForeignScans(recipe, foreign, place)
    context = StepContext(recipe, physics.to(place), build_training_loss(recipe).to(place), images, place, scans)
    state = TrainingState(model, optimiser, average, cache=build_cache(recipe), tolerances=build_tolerances(recipe))
    return state, context, held_out.to(place)


def _averaged(state: TrainingState, recipe: Recipe, place: torch.device) -> torch.nn.Module:
    with seeded(recipe.seed, "weights"):
        # Drawn weights are overwritten; the caller's random state must not move.
        model = build_model(recipe).to(place).eval()
    model.load_state_dict(state.average)
    return build_reconstructor(recipe, model)


def _monitor(state: TrainingState, context: StepContext, images: MeasurementSet) -> dict[str, float]:
    model = _averaged(state, context.recipe, context.device)
    with seeded(context.recipe.seed, "evaluation", state.step):
        summary = summarise(evaluate_model(model, images, context.physics))
    return {f"held_out_{key}": value for key, value in summary.items()}


def _final_metrics(state: TrainingState, context: StepContext, images: MeasurementSet) -> dict[str, Any]:
    recipe = context.recipe
    models = {"model": _averaged(state, recipe, context.device), **linear_baselines(recipe)}
    with seeded(recipe.seed, "evaluation"):
        return {name: summarise(evaluate_model(model, images, context.physics)) for name, model in models.items()}


def _save(state: TrainingState, context: StepContext, folder: Path, metrics: dict[str, Any]) -> Path:
    recipe = context.recipe
    state.save(folder, recipe)
    card = {
        "recipe": recipe.model_dump(mode="json"),
        "step": state.step,
        "seed": recipe.seed,
        "seconds": round(state.seconds, 1),
        "data_hash": context.images.data_hash,
        "code": code_version(),
        "machine": machine(),
        "metrics": metrics,
        "history": state.history,
        "totals": state.totals,
    }
    if state.probes:
        card["probes"] = state.probes
    return save_checkpoint(folder / "model", state.average, card)


def _show(bar: Any, values: dict[str, float], history: list[dict[str, float]]) -> None:
    shown = {"loss": f"{values['loss']:.2e}"}
    if history and "held_out_psnr" in history[-1]:
        shown["held-out PSNR"] = f"{history[-1]['held_out_psnr']:.2f} dB"
    if "n_forward" in values:
        shown["NFE"] = f"{values['n_forward']:.0f}+{values.get('n_adjoint', 0):.0f}"
    bar.set_postfix(shown, refresh=False)
    bar.update(1)
