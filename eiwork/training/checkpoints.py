"""Checkpoints: weights in safetensors, everything else in a JSON card beside them; never pickle."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from eiwork.errors import CheckpointError, EiworkError
from eiwork.files import write_atomically, write_text_atomically
from eiwork.models import DEQ, GuardedDEQ
from eiwork.training.build import build_model
from eiwork.training.build_loss import build_reconstructor
from eiwork.training.recipe import Recipe

FORMAT = "eiwork-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """Weights with their card: recipe, step, seed, data hash, code version, metrics."""

    weights: dict[str, Tensor]
    card: dict[str, Any]

    @property
    def recipe(self) -> Recipe:
        """The recipe that trained the weights."""
        return Recipe.parse(self.card["recipe"])

    def model(self) -> nn.Module:
        """The trained model, in evaluation mode."""
        model = build_model(self.recipe)
        load_weights(model, self.weights, "the checkpoint")
        return model.eval()

    def reconstructor(self, tol: float | int = 1e-4) -> nn.Module:
        """What to reconstruct with: the trained model, and a guard for scans unlike those of its training.

        A DEQ comes as `GuardedDEQ.prompt`: at most 59 evaluations of F for a scan, to a relative residual of `tol`,
        with a milder operator where the trained one is not near its fixed point in time; `solve` says which. A
        training by equivariant splitting averages over splits, as its loss does. Without gradients; to train on or to
        differentiate, take `model`. The guard's limits are ours, found at a tolerance of 1e-4.
        """
        model = self.model()
        if isinstance(model, DEQ):
            model.solver = replace(model.solver, tol=float(tol))
            model = GuardedDEQ.prompt(model).eval()
        return build_reconstructor(self.recipe, model)

    def save(self, path: Path, **changes: Any) -> Path:
        """Write the checkpoint to PATH.safetensors and its card, with entries of the card changed."""
        card = {key: value for key, value in self.card.items() if key not in ("format", "sha256")}
        return save_checkpoint(path, self.weights, card | changes)


def card_path(path: Path) -> Path:
    """The JSON card that belongs to a .safetensors file."""
    return path.with_suffix(".json")


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> str:
    """Write tensors as safetensors, atomically; returns the SHA-256 of the file."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(plain)
    write_atomically(path, lambda temporary: temporary.write_bytes(content), CheckpointError)
    return hashlib.sha256(content).hexdigest()


def save_checkpoint(path: Path, weights: dict[str, Tensor], card: dict[str, Any]) -> Path:
    """Write PATH.safetensors and its card, each complete or not at all; the card holds the SHA-256 of the weights."""
    path = path.with_suffix(".safetensors")
    digest = write_tensors(path, weights)
    full = {"format": FORMAT, "sha256": digest, **card}
    write_text_atomically(card_path(path), json.dumps(full, indent=1, sort_keys=True) + "\n", CheckpointError)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint from its .safetensors file, its card, or the folder that holds model.safetensors.

    Raises CheckpointError naming the file when it is missing, truncated, foreign, or does not match its card.
    """
    path = Path(path)
    path = (path / "model" if path.is_dir() else path).with_suffix(".safetensors")
    card = read_card(card_path(path), FORMAT)
    weights = read_tensors(path, card["sha256"])
    try:
        Recipe.parse(card["recipe"])
    except EiworkError as error:
        raise CheckpointError(
            f"{card_path(path)}: its recipe does not fit this version of eiwork ({error}) Install "
            f"the version in the card."
        ) from None
    return Checkpoint(weights, card)


def read_card(path: Path, expected_format: str) -> dict[str, Any]:
    """A JSON card of a known format, or CheckpointError naming the file."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} does not exist. A checkpoint is two files, NAME.safetensors and NAME.json: "
            f"give the path of either, or "
            "of the folder that `eiwork train` wrote."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): it is damaged or not a checkpoint.") from None
    if not isinstance(card, dict) or card.get("format") != expected_format or not {"sha256", "recipe"} <= card.keys():
        raise CheckpointError(f"{path} is not a card of format {expected_format}: it belongs to something else.")
    return card


def read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file whose SHA-256 is known, or CheckpointError naming the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}): the weights of the checkpoint are missing."
        ) from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(
            f"{path} does not match its card ({len(content)} bytes, wrong SHA-256): it is "
            f"truncated, was changed, or belongs to "
            "another card. Copy both files again, or train again."
        )
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}).") from None


def load_weights(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Copy weights into a model; raises CheckpointError that lists what differs, leaving the model untouched."""
    own = model.state_dict()
    missing, foreign = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    shapes = [
        f"{name} {tuple(weights[name].shape)} in place of {tuple(own[name].shape)}"
        for name in sorted(own.keys() & weights.keys())
        if weights[name].shape != own[name].shape
    ]
    problems = [
        f"{what}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        for what, names in (("missing", missing), ("unknown", foreign), ("other shape", shapes))
        if names
    ]
    if problems:
        raise CheckpointError(
            f"The weights of {source} do not fit the model ({'; '.join(problems)}): it was trained "
            f"with another architecture. "
            "Build the model from the checkpoint's own recipe: load_checkpoint(path).model()."
        )
    model.load_state_dict(weights)
