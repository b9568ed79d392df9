"""The whole state of a training, saved so that resuming it equals never having stopped, bit for bit."""

import json
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eiwork.errors import CheckpointError, listed
from eiwork.files import write_text_atomically
from eiwork.training.checkpoints import load_weights, read_card, read_tensors, write_tensors

FORMAT = "eiwork-training-state-2"
_PLAIN = int | float | bool | str | None


@dataclass
class TrainingState:
    """Model, optimiser, averaged weights, next step, history; randomness needs no state, it follows from the step.

    seconds, cpu_seconds: spent in steps, not in monitoring. totals: evaluations so far, by kind.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    totals: dict[str, float] = field(default_factory=dict)

    def update_average(self, decay: float) -> None:
        """Move the averaged weights towards the model's; early on the decay is shorter, so the start is forgotten."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point() and decay > 0:
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def count(self, values: dict[str, float]) -> dict[str, float]:
        """Add a step's evaluations (`n_*`) to the totals; returns these as `total_*`."""
        for key, value in values.items():
            if key.startswith("n_"):
                name = f"total_{key.removeprefix('n_')}"
                self.totals[name] = self.totals.get(name, 0.0) + value
        return dict(self.totals)

    def save(self, folder: Path, settings: dict[str, Any]) -> None:
        """Write the state; tensors carry the step in their file name, so that card and tensors cannot be mixed up."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for index, slot in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in slot.items()}
        name = f"state-{self.step:07d}.safetensors"
        digest = write_tensors(folder / name, tensors)
        counted = ("step", "seconds", "cpu_seconds", "history", "totals")
        card = {"format": FORMAT, "sha256": digest, "tensors": name, "settings": settings}
        card |= {key: getattr(self, key) for key in counted}
        write_text_atomically(folder / "state.json", json.dumps(card) + "\n", CheckpointError)
        for old in folder.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink()

    def restore(self, folder: Path, settings: dict[str, Any]) -> None:
        """Continue from a saved state; raises CheckpointError if it is damaged or of another training."""
        path = folder / "state.json"
        card = read_card(path, FORMAT, {"sha256", "tensors", "settings", "step"})
        _check_same(card["settings"], json.loads(json.dumps(settings)), path)
        tensors = read_tensors(folder / card["tensors"], card["sha256"])
        load_weights(self.model, _part(tensors, "model."), str(path))
        for name, value in _part(tensors, "average.").items():
            self.average[name].copy_(value)
        slots: dict[int, dict[str, Any]] = {}
        for key, value in _part(tensors, "optimiser.").items():
            index, name = key.split(".", 1)
            slots.setdefault(int(index), {})[name] = value
        full = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": slots, "param_groups": full["param_groups"]})
        for key in ("step", "seconds", "cpu_seconds", "history", "totals"):
            setattr(self, key, card[key])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _check_same(saved: dict[str, Any], current: dict[str, Any], path: Path) -> None:
    differing = sorted(key for key in saved.keys() | current.keys() if saved.get(key) != current.get(key))
    if differing:
        raise CheckpointError(
            f"{path} was written by another training: {listed(differing)} differ. Resume with the data, settings "
            "and options it was started with, or choose a new output folder."
        )


def described(thing: Any) -> Any:
    """A loss, group or other object as plain values: its class, and its own settings."""
    if isinstance(thing, _PLAIN):
        return thing
    if isinstance(thing, list | tuple):
        return [described(inner) for inner in thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        return {"kind": type(thing).__name__} | {f.name: described(getattr(thing, f.name)) for f in fields(thing)}
    if isinstance(thing, nn.Module):
        own = {name: value for name, value in vars(thing).items() if not name.startswith("_") and name != "training"}
        inner = {name: described(module) for name, module in thing.named_children()}
        return {"kind": type(thing).__name__} | {k: v for k, v in own.items() if isinstance(v, _PLAIN)} | inner
    return getattr(thing, "__qualname__", type(thing).__name__)
