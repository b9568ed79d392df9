"""Training anyone's network on anyone's measurements: resumable, interruptible, deterministic."""

import copy
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from deepinv.physics import LinearPhysics
from torch import Tensor, nn
from torch.utils.data import Dataset

from eiwork import device as devices
from eiwork.errors import CheckpointError, ConvergenceWarning, EiworkError, InputError
from eiwork.files import ensure_output_folder
from eiwork.losses import as_loss
from eiwork.models import DEQ
from eiwork.progress import bar
from eiwork.provenance import code_version, machine
from eiwork.training.checkpoints import save_checkpoint
from eiwork.training.contraction import Contraction
from eiwork.training.evaluation import evaluate_model, summarise
from eiwork.training.interrupt import interruptible
from eiwork.training.optimiser import Optimiser
from eiwork.training.randomness import seeded
from eiwork.training.samples import Batch, Samples, check_fits
from eiwork.training.state import TrainingState, described
from eiwork.training.step import MAX_RMS, StepContext, physics_of, train_step, watched

if TYPE_CHECKING:
    from eiwork.figures import DescribedFigure

_SAVE_EVERY_SECONDS = 60.0
_DEFAULT_CONTRACTION = Contraction()
Held = tuple[Tensor, Tensor] | Tensor | Dataset


@dataclass(frozen=True)
class Run:
    """What a training leaves.

    model: the trained model, the average of its weights, in evaluation mode. history: one entry per monitored step,
    with `step`, `seconds` and `cpu_seconds` of the steps so far, the loss and its terms, evaluations of the step
    (`n_*`) and so far (`total_*`), and held-out figures (`held_out_*`). checkpoint: the .safetensors file, None without
    `output`. interrupted: stopped before its last step.
    """

    model: nn.Module
    history: list[dict[str, float]] = field(repr=False)
    checkpoint: Path | None
    interrupted: bool

    def plot(self) -> "DescribedFigure":
        """The loss and what was measured on held-out samples, against the step."""
        from eiwork.figures import training_curves

        if not self.history:
            raise InputError("There is nothing to plot yet: the training has not reached its first monitored step.")
        shown = {"loss": "loss", "held_out_psnr": "held-out PSNR (dB)", "held_out_misfit": "held-out misfit"}
        keys = [key for key in shown if any(key in entry for entry in self.history)]
        series = {shown[key]: [entry.get(key, float("nan")) for entry in self.history] for key in keys}
        log_scale = [name for name in ("loss",) if min(series[name]) > 0]
        return training_curves([entry["step"] for entry in self.history], series, log_scale=log_scale)


def fit(
    model: nn.Module,
    physics: LinearPhysics,
    y: Tensor | Dataset,
    loss: Any,
    *,
    x: Tensor | None = None,
    steps: int = 500,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    contraction: Contraction | None = _DEFAULT_CONTRACTION,
    held_out: Held | None = None,
    output: Path | str | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: bool = True,
    on_step: Callable[..., Any] | None = None,
    warmup: int = 50,
    clip: float = 0.03,
    ema: float = 0.995,
    scalar_rate: float = 5.0,
    monitor_every: int = 100,
    card: dict[str, Any] | None = None,
) -> Run:
    """Train a model on measurements by any loss, and return it with its history.

    model: anything called as model(y, physics), trained in place: a DEQ, or a network of yours. physics: any linear
    physics of deepinv; both are moved to the device. y: measurements (n, ...), or a torch Dataset with a length, which
    need not fit into memory: dictionaries {"y"} with "x" and "params" (of the physics, for each sample) where there are
    any, or deepinv's tuples (x, y, params). loss: of eiwork.losses, such as EI(Rotation()), of deepinv or a list of
    them, or a function (model, y, physics, x) that returns one number. x: the images behind y, for a loss that looks at
    them.

    steps, batch_size, learning_rate, warmup, clip, ema, scalar_rate: see `Optimiser`. contraction: keeps a DEQ's
    iteration a contraction; None for no control. held_out: (y, x), or y alone, or a data set, looked at every
    `monitor_every` steps and at the end; no step, stop or choice of weights depends on it. seed: of batches, group
    elements and noise. on_step: called as on_step(step, **values) after every step; if it returns True, the training
    stops there. output: a folder for model.safetensors and model.json (averaged weights and their card), saved every
    minute and at the end; Ctrl-C ends the training after the step at hand, and `resume=True` continues, to the same
    bits as without a stop. card: further entries of the card, ready for JSON.

    Raises InputError for arguments that cannot be used, before any file is written; CheckpointError for a folder that
    cannot be written, is occupied, or holds another training; ConvergenceError for a loss that is not finite, and for
    an iteration that runs away.
    """
    objective = as_loss(loss)
    optimiser = Optimiser(learning_rate, batch_size, warmup, clip, ema, scalar_rate)
    if steps < 1 or monitor_every < 1:
        raise InputError(f"steps={steps}, monitor_every={monitor_every}: at least one step is needed.")
    control = _control(contraction, model)
    place = devices.resolve(device)
    samples, held = Samples(y, x), _held_out(held_out)
    if getattr(objective, "needs_x", False) and not samples.has_x:
        raise InputError(
            f"The loss {described(loss)} needs the ground truth x, and there is none: pass x=..., or train with a loss "
            "of measurements alone, such as EI(Rotation())."
        )
    _check_places(model, physics, place)
    first = samples.batch(torch.arange(min(2, len(samples))))
    check_fits(first, physics)
    if held is not None:
        check_fits(held.batch(torch.tensor([0])), physics, "held_out")
    folder = _checked_folder(output, resume)
    model.to(place).train()
    adam = optimiser.adam(model)
    physics = physics.to(place)
    scale = _try_out(model, objective, first.to(place), physics, seed)
    if folder is not None:
        ensure_output_folder(folder)
    context = StepContext(
        physics, objective, samples, optimiser, control, steps, seed, place, MAX_RMS * max(1.0, scale)
    )
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    state = TrainingState(model, adam, average)
    settings = {
        "steps": steps,
        "seed": seed,
        "optimiser": asdict(optimiser),
        "contraction": control and asdict(control),
        "loss": described(loss),
        "model": type(model).__name__,
        "physics": type(physics).__name__,
        "data": None if folder is None else samples.digest(),  # reads everything, for the file alone
    }
    if resume and folder is not None:
        state.restore(folder, settings)
    extra = {"data_hash": settings["data"], "recipe": None} | (card or {})
    keeper = _Keeper(folder, settings, extra)
    title = str(card["recipe"]["name"]) if card and card.get("recipe") else type(model).__name__
    shown = bar(steps, title, done=state.step, visible=progress)
    _train(state, context, keeper, held, monitor_every, shown, on_step)
    checkpoint = keeper.save(state)
    model.load_state_dict(state.average)
    return Run(model.eval(), state.history, checkpoint, state.step < steps)


def _train(
    state: TrainingState,
    context: StepContext,
    keeper: "_Keeper",
    held: Samples | None,
    monitor_every: int,
    shown: Any,
    on_step: Callable[..., Any] | None,
) -> None:
    with interruptible() as stop_asked, shown:
        stop = False
        while state.step < context.steps and not stop_asked.is_set() and not stop:
            with warnings.catch_warnings(), _timed(state):
                # Solves that miss their tolerance are counted in `unconverged_*`, in the bar and in the history.
                warnings.simplefilter("ignore", ConvergenceWarning)
                values = train_step(state, context)
            totals = state.count(values)
            if state.step % monitor_every == 0 or state.step == context.steps:
                values |= totals | _monitor(state, context, held)
                spent = {"seconds": state.seconds, "cpu_seconds": state.cpu_seconds}
                state.history.append({"step": float(state.step), **spent, **values})
            _show(shown, values, state.history)
            if on_step is not None:
                stop = on_step(state.step, **values) is True
            keeper.save_at_times(state)


class _Keeper:
    """Writes checkpoints into a folder, or nothing without one."""

    def __init__(self, folder: Path | None, settings: dict[str, Any], card: dict[str, Any]) -> None:
        self.folder, self.settings, self.card, self.saved = folder, settings, card, time.monotonic()

    def save_at_times(self, state: TrainingState) -> None:
        if time.monotonic() - self.saved > _SAVE_EVERY_SECONDS:
            self.save(state)

    def save(self, state: TrainingState) -> Path | None:
        if self.folder is None:
            return None
        state.save(self.folder, self.settings)
        self.saved = time.monotonic()
        card = {name: self.settings[name] for name in ("seed", "model")}
        card |= {"settings": self.settings, "step": state.step, "seconds": round(state.seconds, 1)}
        card |= {"history": state.history, "totals": state.totals, "code": code_version(), "machine": machine()}
        return save_checkpoint(self.folder / "model", state.average, card | self.card)


@contextmanager
def _timed(state: TrainingState) -> Iterator[None]:
    """Add the time of a block to the state's, wall clock and processor."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    state.seconds += time.monotonic() - wall
    state.cpu_seconds += time.process_time() - cpu


def _control(contraction: Contraction | None, model: nn.Module) -> Contraction | None:
    if contraction is None or isinstance(model, DEQ):
        return contraction
    if contraction is not _DEFAULT_CONTRACTION:
        raise InputError(
            f"contraction={contraction} controls the fixed points of a DEQ, and {type(model).__name__} has none: "
            "leave it out."
        )
    return None


def _held_out(held_out: Held | None) -> Samples | None:
    if held_out is None:
        return None
    if isinstance(held_out, tuple | list):
        if len(held_out) != 2 or not isinstance(held_out[0], Tensor):
            raise InputError("held_out is (y, x), or y alone, or a data set.")
        return Samples(held_out[0], held_out[1], "held_out")
    return Samples(held_out, None, "held_out")


def _check_places(model: nn.Module, physics: LinearPhysics, place: torch.device) -> None:
    if not isinstance(model, nn.Module) or not isinstance(physics, LinearPhysics):
        raise InputError(
            f"fit(model, physics, y, loss) takes a torch module and a linear physics of deepinv, got a "
            f"{type(model).__name__} and a {type(physics).__name__}."
        )
    for name, module in (("model", model), ("physics", physics)):
        tensors: Sequence[Tensor] = (*module.parameters(), *module.buffers())
        foreign = next((t.device for t in tensors if t.device.type not in ("cpu", place.type)), None)
        if foreign is not None:
            raise InputError(
                f"The {name} is on the device {foreign}, and the training runs on {place}: move it with "
                f"{name}.to('{place}'), or pass device='{foreign}'."
            )


def _checked_folder(output: Path | str | None, resume: bool) -> Path | None:
    if output is None:
        if resume:
            raise InputError("resume=True continues a training in a folder: pass the output it was started with.")
        return None
    folder = Path(output)
    occupied = (folder / "state.json").exists()
    if not resume and (occupied or (folder / "model.safetensors").exists()):
        raise CheckpointError(f"{folder} already holds a training: continue it with resume, or choose another output.")
    if resume and not occupied:
        raise CheckpointError(f"{folder} holds no training to resume: state.json is missing. Leave out resume.")
    return folder


def _try_out(model: nn.Module, loss: Any, batch: Batch, physics: LinearPhysics, seed: int) -> float:
    """The RMS of the untrained model's images, from one call of the loss on two samples; InputError where it fails."""
    model = copy.deepcopy(model)  # a running mean, for instance, must not see these samples twice
    try:
        with torch.no_grad(), seeded(seed, "probe"), warnings.catch_warnings(), watched(model) as calls:
            warnings.simplefilter("ignore", ConvergenceWarning)
            loss(model, batch.y, physics_of(physics, batch.params), batch.x)
    except EiworkError:
        raise
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"The loss cannot be computed for the first samples: {type(error).__name__}: {error} The model is "
            "called as model(y, physics) and returns images (batch, channel, height, width) in the type of y."
        ) from error
    return 1.0 if calls.first is None else float(calls.first[2].detach().square().mean().sqrt())


def _monitor(state: TrainingState, context: StepContext, held: Samples | None) -> dict[str, float]:
    if held is None:
        return {}
    model = copy.deepcopy(state.model).eval()
    model.load_state_dict(state.average)
    with seeded(context.seed, "evaluation", state.step):
        summary = summarise(evaluate_model(model, held, context.physics, device=context.device))
    return {f"held_out_{key}": value for key, value in summary.items()}


def _show(bar: Any, values: dict[str, float], history: list[dict[str, float]]) -> None:
    shown = {"loss": f"{values['loss']:.2e}"}
    if history and "held_out_psnr" in history[-1]:
        shown["held-out PSNR"] = f"{history[-1]['held_out_psnr']:.2f} dB"
    if "n_forward" in values:
        shown["NFE"] = f"{values['n_forward']:.0f}+{values.get('n_adjoint', 0):.0f}"
    bar.set_postfix(shown, refresh=False)
    bar.update(1)
