"""One subject measured: every statistic of the proximal analysis, as a small file."""

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork import data
from eiwork.analysis import evaluation_points
from eiwork.analysis.invariance import GroupTransform
from eiwork.errors import ConvergenceWarning, DataFormatError
from eiwork.files import write_text_atomically
from eiwork.provenance import code_version, machine
from eiwork.symmetry import Reflection, Rotation, Shift
from eiwork.training import Recipe, build_physics
from eiwork.training.measurements import test_set
from eiwork_study.formats import read_json
from eiwork_study.proximal.report import AnalysisSettings, analyse
from eiwork_study.proximal.subjects import Subject
from eiwork_study.task import certified

FORMAT = "eiwork-proximal-1"
_DIGITS = 5

Image = Float[Tensor, "n channel height width"]


@dataclass(frozen=True)
class Elements:
    """A transform at given elements of its group, which the images of a batch get in turn: never the identity.

    inner: the transform. parameter: its one parameter. values: of the elements.
    """

    inner: Transform
    parameter: str
    values: tuple[float, ...]

    def get_params(self, x: Tensor) -> dict[str, Tensor]:
        """One element for each image of a batch."""
        chosen = [self.values[i % len(self.values)] for i in range(len(x))]
        return {self.parameter: torch.tensor([chosen], dtype=torch.float64)}

    def transform(self, x: Tensor, **params: Tensor) -> Tensor:
        """T_g x."""
        return self.inner.transform(x, **params)

    def inverse(self, x: Tensor, batchwise: bool = True, **params: Tensor) -> Tensor:
        """T_g^-1 x."""
        return self.inner.inverse(x, batchwise=batchwise, **params)


def transforms(seed: int) -> dict[str, GroupTransform]:
    """Transforms by which invariance is judged: exact ones, the training group of CT and MRI, and others."""
    first, second = (torch.Generator().manual_seed(2 * seed + offset) for offset in (0, 1))
    return {
        "quarter turns": Elements(Rotation(multiples_of=90), "theta", (90.0, 180.0, 270.0)),
        "rotations": Rotation("fourier", rng=first),
        "reflections": Elements(Reflection(("horizontal",)), "flip_horizontal", (1.0,)),
        "shifts": Shift(0.2, rng=second),
    }


def test_images(recipe: Recipe, n: int) -> tuple[Image, LinearPhysics]:
    """n evenly spread test images as the recipe's physics takes them, with that physics."""
    physics = build_physics(recipe.physics, recipe.data.image_size)
    images = test_set(recipe, physics).x
    assert images is not None
    chosen = torch.linspace(0, len(images) - 1, min(n, len(images))).round().long()
    return images[chosen], physics


def proximal_report(
    subject: Subject, recipe: Recipe, *, seed: int, settings: AnalysisSettings | None = None
) -> dict[str, Any]:
    """`eiwork.analysis.analyse` of a subject on test images, with everything that it depends on; ready for a file.

    The Jacobian is looked at on clean images, at an early iterate, at the fixed point of noise-free measurements
    (not for a control, whose DEQ need not have one), and on noise.
    """
    chosen = AnalysisSettings() if settings is None else settings
    images, physics = test_images(recipe, chosen.n_images)
    generator = torch.Generator().manual_seed(seed)
    certified(subject.model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        points = evaluation_points(subject.model, images, physics, generator)
    if subject.kind != "trained":
        del points["fixed point"]
    report = analyse(
        subject.denoiser,
        images,
        generator=generator,
        physics=physics,
        points=points,
        transforms=transforms(seed),
        settings=chosen,
    )
    return {
        "format": FORMAT,
        "subject": subject.name,
        "title": subject.title,
        "kind": subject.kind,
        "seed": seed,
        "recipe": recipe.model_dump(mode="json"),
        "test_data_hash": data.data_hash(recipe.data.name, "test"),
        "code": code_version(),
        "machine": machine(),
        **rounded(report),
    }


def save_report(path: Path, report: dict[str, Any]) -> Path:
    """Write a report, complete or not at all; DataFormatError if it cannot."""
    return write_text_atomically(path, json.dumps(report, sort_keys=True) + "\n", DataFormatError)


def load_report(path: Path) -> dict[str, Any]:
    """Read a report; raises DataFormatError naming a file that is missing, damaged or something else."""
    return load_json(path, FORMAT)


def load_json(path: Path, wanted: str) -> dict[str, Any]:
    """Read a file of the proximal analysis; raises DataFormatError as `load_report` does."""
    return read_json(path, wanted, "delete it, and `eiwork proximal` makes it anew.")


def rounded(value: Any) -> Any:
    """Numbers with five significant digits, as files hold them; None for those that are not finite."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        # A recipe is compared later on: its numbers stay. Each image's sampling error is in the spread between images.
        kept = {key: v for key, v in value.items() if key != "per_image_standard_error"}
        return {key: v if key == "recipe" else rounded(v) for key, v in kept.items()}
    return [rounded(v) for v in value] if isinstance(value, list | tuple) else value
