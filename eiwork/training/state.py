"""The whole state of a training, saved so that resuming it equals never having stopped, bit for bit."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eiwork.errors import CheckpointError
from eiwork.files import write_text_atomically
from eiwork.training.checkpoints import load_weights, read_card, read_tensors, write_tensors
from eiwork.training.recipe import Recipe
from eiwork.training.tolerance_schedule import Tolerances
from eiwork.training.warm_start import EquilibriumCache

FORMAT = "eiwork-training-state-1"


@dataclass
class TrainingState:
    """Model, optimiser, averaged weights, next step, history; randomness needs no state, it follows from the step.

    seconds, cpu_seconds: spent in pre-training and steps, not in monitoring. totals: evaluations so far, by kind.
    probes: what gradient probes found. pretrained: whether the denoiser's own training, if any, is done.
    cache: the equilibria that solves begin at; tolerances: of the next step's solves; each where the recipe has them.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    totals: dict[str, float] = field(default_factory=dict)
    probes: list[dict[str, float]] = field(default_factory=list)
    pretrained: bool = False
    cache: EquilibriumCache | None = None
    tolerances: Tolerances | None = None

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

    def save(self, folder: Path, recipe: Recipe) -> None:
        """Write the state; tensors carry the step in their file name, so that card and tensors cannot be mixed up."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for index, slot in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in slot.items()}
        if self.cache is not None:
            tensors |= {f"warm_start.{k}": v for k, v in self.cache.tensors().items()}
        name = f"state-{self.step:07d}.safetensors"
        digest = write_tensors(folder / name, tensors)
        card = {
            "format": FORMAT,
            "sha256": digest,
            "tensors": name,
            "recipe": recipe.model_dump(mode="json"),
            "step": self.step,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "history": self.history,
            "totals": self.totals,
            "probes": self.probes,
            "pretrained": self.pretrained,
        }
        if self.tolerances is not None:
            card["tolerances"] = {"forward": self.tolerances.forward, "adjoint": self.tolerances.adjoint}
        write_text_atomically(folder / "state.json", json.dumps(card) + "\n", CheckpointError)
        for old in folder.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink()

    def restore(self, folder: Path, recipe: Recipe) -> None:
        """Continue from a saved state; raises CheckpointError if it is damaged or of another recipe."""
        path = folder / "state.json"
        card = read_card(path, FORMAT)
        _same_recipe(card["recipe"], recipe, path)
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
        self.step, self.seconds, self.history = card["step"], card["seconds"], card["history"]
        # States from before these were kept have none of them; a training without pre-training is past it.
        self.cpu_seconds, self.totals = card.get("cpu_seconds", 0.0), card.get("totals", {})
        self.probes, self.pretrained = card.get("probes", []), card.get("pretrained", True)
        if self.cache is not None:
            self.cache.restore(_part(tensors, "warm_start."), next(self.model.parameters()).device)
        if self.tolerances is not None:
            self.tolerances.forward = card["tolerances"]["forward"]
            self.tolerances.adjoint = card["tolerances"]["adjoint"]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _same_recipe(saved: dict[str, Any], recipe: Recipe, path: Path) -> None:
    # Parsed first: a state written before a setting existed means that setting's default.
    saved = Recipe.parse(saved).model_dump(mode="json")
    current = recipe.model_dump(mode="json")
    differing = sorted(key for key in saved.keys() | current.keys() if saved.get(key) != current.get(key))
    if differing:
        raise CheckpointError(
            f"{path} was written by another recipe: {', '.join(differing)} differ. Resume with the "
            f"recipe and options it was "
            "started with, or choose a new --output folder."
        )
