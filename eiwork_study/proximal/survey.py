"""One subject measured: asymmetry and spectrum of its Jacobian, circulation, equivariance; as a small file."""

import json
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork import data
from eiwork.analysis import (
    Ellipse,
    Estimate,
    Jacobian,
    RandomSigns,
    asymmetry,
    circulation,
    equivariance_error,
    evaluation_points,
    jacobian,
    largest_stretch,
    null_space_projector,
    range_projector,
    symmetric_spectrum,
)
from eiwork.analysis.jacobian import draw_normal
from eiwork.errors import ConvergenceWarning, DataFormatError, InputError
from eiwork.files import write_text_atomically
from eiwork.progress import track
from eiwork.provenance import code_version, machine
from eiwork.symmetry import Reflection, Rotation, Shift
from eiwork.training import Recipe
from eiwork.training.measurements import test_set
from eiwork_study.formats import read_json
from eiwork_study.proximal.subjects import Subject
from eiwork_study.task import certified

FORMAT = "eiwork-proximal-2"
_DIGITS = 5
Image = Float[Tensor, "n channel height width"]
Report = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SurveySettings:
    """How much to measure; the numbers suit 50 images of 64x64 values in float32.

    n_images: images for estimates that are cheap. n_spectrum: images for Krylov spaces, of at most `krylov_size`.
    probes: Hutchinson probes an image. n_circles: circles around images, of `order` nodes and `radius` as the root mean
    square of a pixel. Raises InputError for numbers that are not positive.
    """

    n_images: int = 50
    n_spectrum: int = 8
    krylov_size: int = 40
    probes: int = 4
    n_circles: int = 16
    order: int = 24
    radius: float = 0.1

    def __post_init__(self) -> None:
        wrong = {name: value for name, value in asdict(self).items() if not value > 0}
        if wrong:
            raise InputError(f"SurveySettings: {wrong} must be positive.")


def transforms(seed: int, n: int) -> dict[str, tuple[Transform, dict[str, Tensor] | None]]:
    """Transforms by which invariance is judged: exact ones, the training group of CT and MRI, and others.

    Each with its parameters for n images, which get the given elements in turn, never the identity; None for random
    ones.
    """
    first, second = (torch.Generator().manual_seed(2 * seed + offset) for offset in (0, 1))
    turns = torch.tensor([[90.0 * (1 + i % 3) for i in range(n)]], dtype=torch.float64)
    return {
        "quarter turns": (Rotation(multiples_of=90), {"theta": turns}),
        "rotations": (Rotation("fourier", rng=first), None),
        "reflections": (Reflection(("horizontal",)), {"flip_horizontal": torch.ones(1, n, dtype=torch.float64)}),
        "shifts": (Shift(0.2, rng=second), None),
    }


def images_of_test(recipe: Recipe, n: int) -> tuple[Image, LinearPhysics]:
    """n evenly spread test images as the recipe's physics takes them, with that physics."""
    physics = recipe.build_physics()
    images = test_set(recipe, physics).x
    assert images is not None
    return images[torch.linspace(0, len(images) - 1, min(n, len(images))).round().long()], physics


def survey(subject: Subject, recipe: Recipe, *, seed: int, settings: SurveySettings | None = None) -> Report:
    """Every measurement of a subject on test images, with everything that it depends on; ready for a file.

    The Jacobian is looked at on clean images, at an early iterate, at the fixed point of noise-free measurements
    (not for a control, whose DEQ need not have one), and on noise, whole and by subspace. Residuals of solves are in
    the report instead of warnings. "seconds" says how long each part took.
    """
    chosen = SurveySettings() if settings is None else settings
    images, physics = images_of_test(recipe, chosen.n_images)
    generator = torch.Generator().manual_seed(seed)
    certified(subject.model)
    denoiser, found, seconds = subject.denoiser, {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        points = evaluation_points(subject.model, images, physics, generator)
        if subject.kind != "trained":
            del points["fixed point"]
        groups = transforms(seed, len(images))
        parts: dict[str, Callable[[], Any]] = {
            "jacobian": lambda: {
                k: _jacobian(subject, points[k], physics, generator, chosen) for k in track(points, "images")
            },
            "circulation": lambda: _circles(subject, images[: chosen.n_circles], generator, chosen),
            "invariance": lambda: {k: _invariance(denoiser, images, *group) for k, group in groups.items()},
        }
        for name, measure in track(parts.items(), "measurements"):
            began = time.perf_counter()
            found[name] = measure()
            seconds[name] = time.perf_counter() - began
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
        **_rounded({"n_images": len(images), "settings": asdict(chosen), "seconds": seconds, **found}),
    }


def _jacobian(
    subject: Subject, x: Image, physics: LinearPhysics, generator: torch.Generator, settings: SurveySettings
) -> dict[str, Any]:
    """Asymmetry and spectrum at some images, whole and by subspace."""
    whole, few = (jacobian(subject.denoiser, part) for part in (x, x[: settings.n_spectrum]))
    seen, unseen = range_projector(physics), null_space_projector(physics)
    subspaces: dict[str, Callable[[Jacobian], Jacobian]] = {
        "whole": lambda j: j,
        "range": lambda j: j.restricted(seen),
        "null space": lambda j: j.restricted(unseen),
    }
    found: dict[str, Any] = {}
    for name, restrict in subspaces.items():
        frobenius = asymmetry(restrict(whole), RandomSigns(settings.probes), generator=generator)
        ends = symmetric_spectrum(restrict(few), generator=generator, max_size=settings.krylov_size)
        found[name] = {
            "asymmetry": _numbers(frobenius.whole),
            "learnt_asymmetry": _numbers(frobenius.learnt),
            "multiple": _numbers(frobenius.multiple),
            "smallest_eigenvalue": _numbers(ends.smallest, ends.residual_smallest),
            "largest_eigenvalue": _numbers(ends.largest, ends.residual_largest),
        }
    stretch = largest_stretch(few, generator=generator, max_size=settings.krylov_size)
    found["whole"]["lipschitz"] = _numbers(*stretch)
    return found


def _circles(subject: Subject, x: Image, generator: torch.Generator, settings: SurveySettings) -> dict[str, Any]:
    """Circles around images, in random planes."""
    u, v = (draw_normal(x, generator).flatten(1) for _ in range(2))
    v = v - (v * u).sum(1, keepdim=True) / u.square().sum(1, keepdim=True) * u
    reach = settings.radius * x[0].numel() ** 0.5
    sides = [(reach * side / side.norm(dim=1, keepdim=True)).view_as(x) for side in (u, v)]
    found = circulation(subject.denoiser, Ellipse(x, *sides), order=settings.order)
    return {"circles": {"normalised": _numbers(found.normalised.abs()), "learnt": _numbers(found.learnt.abs())}}


def _invariance(
    denoiser: Callable[[Tensor], Tensor], x: Image, transform: Transform, params: dict[str, Tensor] | None
) -> dict[str, Any]:
    moved = equivariance_error(denoiser, x, transform, params)
    errors = {"error": moved.error, "learnt_error": moved.learnt, "round_trip": moved.round_trip}
    return {name: _numbers(value) for name, value in errors.items()} | {"exact": bool(moved.exact.all())}


def _numbers(value: Tensor | Estimate, residual: Tensor | None = None) -> dict[str, Any]:
    """Mean and every image's number; a bound from within has the residual that says how sharp it may be."""
    per_image = value.value if isinstance(value, Estimate) else value
    found = {"mean": float(per_image.mean()), "per_image": per_image.double().tolist()}
    return found if residual is None else found | {"residual": float(residual.max())}


def save_report(path: Path, report: Report) -> Path:
    """Write a report, complete or not at all; DataFormatError if it cannot."""
    return write_text_atomically(path, json.dumps(report, sort_keys=True) + "\n", DataFormatError)


def load_reports(folder: Path) -> list[Report]:
    """Every report in a folder, by subject and seed; none where there is no folder.

    Raises DataFormatError naming a file that is damaged or something else.
    """
    advice = "delete it, and `eiwork-study proximal` makes it anew."
    reports = [read_json(path, FORMAT, advice) for path in sorted(folder.glob("*.json"))]
    return sorted(reports, key=lambda report: (report["subject"], report["seed"]))


def _rounded(value: Any) -> Any:
    """Numbers with five significant digits; None for those that are not finite."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
