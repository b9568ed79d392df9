"""Checkpoints: weights in safetensors, everything else in a JSON card beside them; never pickle."""

import hashlib
import json
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from eiwork.errors import CheckpointError, RecipeError, choices, listed
from eiwork.files import write_atomically, write_text_atomically
from eiwork.models import DEQ, GuardedDEQ
from eiwork.training.recipe import Recipe

FORMAT = "eiwork-checkpoint-2"
_FOLDER = Path(__file__).resolve().parents[1] / "data" / "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """Weights with their card: step, seed, data hash, code version, and the recipe where there is one."""

    weights: dict[str, Tensor]
    card: dict[str, Any]

    @property
    def recipe(self) -> Recipe:
        """The recipe that trained the weights; CheckpointError for a model that `fit` was given as an object."""
        if self.card.get("recipe") is None:
            raise CheckpointError(
                f"This checkpoint holds the weights of a {self.card.get('model', 'model')} of yours, and no recipe "
                "that would build it: make it as you made it for the training, and call checkpoint.load_into(model)."
            )
        return Recipe.parse(self.card["recipe"])

    def model(self) -> nn.Module:
        """The trained model of a recipe, in evaluation mode."""
        return self.load_into(self.recipe.build_model())

    def load_into(self, model: nn.Module) -> nn.Module:
        """The weights copied into a model made by the caller, which is returned in evaluation mode.

        Raises CheckpointError that lists what differs, leaving the model untouched.
        """
        load_weights(model, self.weights, "the checkpoint")
        return model.eval()

    def reconstructor(self, tol: float | int = 1e-4) -> nn.Module:
        """What to reconstruct with: the trained model, and a guard for scans unlike those of its training.

        A DEQ comes as `GuardedDEQ.prompt`: at most 59 evaluations of F for a scan, to a relative residual of `tol`,
        with a milder operator where the trained one is not near its fixed point in time; `solve` says which. Without
        gradients; to train on or to differentiate, take `model`. The guard's limits are ours, found at 1e-4.
        """
        model = self.model()
        if isinstance(model, DEQ):
            model.solver = replace(model.solver, tol=float(tol))
            return GuardedDEQ.prompt(model).eval()
        return model

    def save(self, path: Path, **changes: Any) -> Path:
        """Write the checkpoint to PATH.safetensors and its card, with entries of the card changed."""
        card = {key: value for key, value in self.card.items() if key not in ("format", "sha256")}
        return save_checkpoint(path, self.weights, card | changes)


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> str:
    """Write tensors as safetensors, atomically; returns the SHA-256 of the file."""
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    write_atomically(path, lambda temporary: temporary.write_bytes(content), CheckpointError)
    return hashlib.sha256(content).hexdigest()


def save_checkpoint(path: Path, weights: dict[str, Tensor], card: dict[str, Any]) -> Path:
    """Write PATH.safetensors and its card, each complete or not at all; the card holds the SHA-256 of the weights."""
    path = path.with_suffix(".safetensors")
    full = {"format": FORMAT, "sha256": write_tensors(path, weights), **card}
    write_text_atomically(path.with_suffix(".json"), json.dumps(full, indent=1, sort_keys=True) + "\n", CheckpointError)
    return path


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint from its .safetensors file, its card, or the folder that holds model.safetensors.

    Raises CheckpointError naming the file when it is missing, truncated, foreign, of an earlier version, or does not
    match its card.
    """
    path = Path(path)
    path = (path / "model" if path.is_dir() else path).with_suffix(".safetensors")
    card = read_card(path.with_suffix(".json"), FORMAT, {"sha256"})
    weights = read_tensors(path, card["sha256"])
    if card.get("recipe") is not None:
        try:
            Recipe.parse(card["recipe"])
        except RecipeError as error:
            raise CheckpointError(
                f"{path.with_suffix('.json')}: its recipe does not fit this version of eiwork ({error}) Install the "
                "version in the card, or train again."
            ) from None
    return Checkpoint(weights, card)


def read_card(path: Path, expected: str, needed: Set[str]) -> dict[str, Any]:
    """A JSON card of a known format, or CheckpointError naming the file."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} does not exist. A checkpoint is two files, NAME.safetensors and .json: give the path of either, "
            "or of the folder that the training wrote."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): it is damaged or not a checkpoint.") from None
    found = card.get("format") if isinstance(card, dict) else None
    if found != expected or not needed <= card.keys():
        raise CheckpointError(
            f"{path} is a card of format {found}, and not of {expected}: it belongs to something else, or to another "
            "version of eiwork, which the entry code in it names. Train it again with this one."
        )
    return card


def read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file whose SHA-256 is known, or CheckpointError naming the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): the weights are missing.") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(
            f"{path} does not match its card ({len(content)} bytes, wrong SHA-256): it is truncated, was changed, or "
            "belongs to another card. Copy both files again, or train again."
        )
    try:
        return load(content)
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}).") from None


def load_weights(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Copy weights into a model; raises CheckpointError that lists what differs, leaving the model untouched."""
    own, found = ({name: tuple(t.shape) for name, t in tensors.items()} for tensors in (model.state_dict(), weights))
    shapes = [
        f"{name} {found[name]} in place of {own[name]}"
        for name in sorted(own.keys() & found.keys())
        if found[name] != own[name]
    ]
    differing = {"missing": sorted(own.keys() - found.keys()), "unknown": sorted(found.keys() - own.keys())}
    problems = [f"{what}: {listed(names)}" for what, names in (differing | {"other shape": shapes}).items() if names]
    if problems:
        raise CheckpointError(
            f"The weights of {source} do not fit the model ({'; '.join(problems)}): it was trained with another "
            "architecture. Build the model as it was built for the training, or from the checkpoint's own recipe: "
            "load_checkpoint(path).model()."
        )
    model.load_state_dict(weights)


def shipped_checkpoints() -> list[str]:
    """Names of the trained models in the package: those of the recipes that trained them."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def load_shipped(name: str) -> Checkpoint:
    """The checkpoint of a shipped model; raises CheckpointError with the names there are for an unknown one."""
    names = shipped_checkpoints()
    if name not in names:
        raise CheckpointError(
            f"No trained model {name!r} comes with this version: "
            f"{choices(name, names, 'eiwork.training.shipped_checkpoints()')}. A recipe's is made by eiwork train."
        )
    return load_checkpoint(_FOLDER / name)


def load_start(start: str) -> Checkpoint:
    """The checkpoint that a training begins with: a shipped model by its name, or any by its path."""
    named = start in shipped_checkpoints() or not Path(start).parent.name
    return load_shipped(start) if named else load_checkpoint(start)
