"""Trained models that come with the package."""

from pathlib import Path

from eiwork.errors import CheckpointError
from eiwork.training.checkpoints import Checkpoint, load_checkpoint

_FOLDER = Path(__file__).resolve().parents[1] / "data" / "checkpoints"


def shipped_checkpoints() -> list[str]:
    """Names of the trained models in the package: those of the recipes that trained them."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def load_shipped(name: str) -> Checkpoint:
    """The checkpoint of a shipped model; raises CheckpointError with the names there are for an unknown one."""
    names = shipped_checkpoints()
    if name not in names:
        raise CheckpointError(
            f"No trained model {name!r} comes with this version; there are {', '.join(names)}. "
            f"Train it: eiwork train {name}."
        )
    return load_checkpoint(_FOLDER / name)


def load_start(start: str) -> Checkpoint:
    """The checkpoint that a training begins with: a shipped model by its name, or any by its path."""
    return (
        load_shipped(start) if start in shipped_checkpoints() or not Path(start).parent.name else load_checkpoint(start)
    )
