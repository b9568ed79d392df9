"""Trained models that come with the package."""

from pathlib import Path

from eiwork.errors import CheckpointError
from eiwork.training.checkpoints import Checkpoint, load_checkpoint

_FOLDER = Path(__file__).resolve().parents[1] / "data" / "checkpoints"
_STARTS = _FOLDER / "starts"


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.safetensors"))


def shipped_checkpoints() -> list[str]:
    """Names of the trained models in the package: those of the recipes that trained them."""
    return _names(_FOLDER)


def load_shipped(name: str) -> Checkpoint:
    """The checkpoint of a shipped model; raises CheckpointError with the names there are for an unknown one."""
    names = shipped_checkpoints()
    if name not in names:
        raise CheckpointError(
            f"No trained model {name!r} comes with this version; there are {', '.join(names) or 'none'}. "
            f"Train it: eiwork train {name}."
        )
    return load_checkpoint(_FOLDER / name)


def starts() -> list[str]:
    """Names of the models that a training can begin with: the shipped ones, and some that are for nothing else.

    Those need not have a fixed point for every scan of the test; what is trained from them has to. NAME-SEED is the
    training of NAME with another seed than that of the model called NAME.
    """
    return sorted([*shipped_checkpoints(), *_names(_STARTS)])


def start_of_seed(name: str, seed: int) -> str:
    """The start NAME-SEED, the same training with another seed, where it comes with the package; else `name`."""
    own = f"{name}-{seed}"
    return own if own in starts() else name


def load_start(name: str) -> Checkpoint:
    """The checkpoint of a model to begin with; raises CheckpointError with the names there are for an unknown one."""
    names = starts()
    if name not in names:
        raise CheckpointError(
            f"No model {name!r} to start from comes with this version; there are {', '.join(names) or 'none'}."
        )
    return load_checkpoint((_FOLDER if name in shipped_checkpoints() else _STARTS) / name)
