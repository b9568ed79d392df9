"""A trained model on problems that it was not trained for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork import data
from eiwork.errors import EiworkError, InputError, choices
from eiwork.models import GuardedDEQ
from eiwork.models.baselines import MinimumNormInverse
from eiwork.progress import track
from eiwork.provenance import code_version, machine
from eiwork.symmetry import Rotation
from eiwork.training import Checkpoint, Recipe, evaluate
from eiwork.training.measurements import MeasurementSet, measured_set
from eiwork_study.task import TOLERANCE, certified

FORMAT = "eiwork-shifts-2"
AS_TRAINED = "as trained"

Images = Float[Tensor, "n 1 height width"]
Guard = Callable[[nn.Module], GuardedDEQ]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A change of the problem: other settings of the recipe, and other images where `images` gives them."""

    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    images: Callable[[int], Images] | None = None


def shifts(recipe: Recipe) -> list[Shift]:
    """What is tried on a recipe: as trained, other sampling, other noise, turned images, twice the size, other images.

    A change that the data cannot give, such as twice the size of the largest images, is left out.
    """
    size, name = recipe.data.image_size, recipe.data.name
    found = [Shift(name=AS_TRAINED), *_sampling(recipe)]
    found += [
        Shift(name=f"noise {sigma}", overrides={"physics__noise_sigma": sigma})
        for sigma in (0.01, 0.02, 0.05)
        if sigma != recipe.physics.noise_sigma
    ]
    found += [Shift(name=f"images turned by {d:.0f} degrees", images=_turned(name, d)) for d in (30.0, 90.0)]
    if 2 * size <= data.native_size(name, "test"):
        found.append(Shift(name="twice the image size", overrides={"data__image_size": 2 * size}))
    found.append(Shift(name="images of the training patient", images=lambda n: data.load(name, "train", n)))
    if name == "mri":
        found += [Shift(name=f"{p} slices", images=_plane(p)) for p in ("coronal", "sagittal")]
        found.append(Shift(name="inverted contrast (synthetic)", images=_inverted))
    if name == "ct":
        found.append(Shift(name="soft-tissue window", images=_soft_tissue))
    others = [o for o in ("ct", "mri", "natural") if o != name and size <= data.native_size(o, "test")]
    return found + [Shift(name=f"other data: {other}", images=_other(other)) for other in others]


def generalise(
    checkpoint: Checkpoint, chosen: list[Shift] | None = None, guard: Guard | None = None
) -> list[dict[str, Any]]:
    """Evaluate a trained model under shifts, beside the minimum-norm inverse; solves at tolerance 1e-4.

    One dictionary per shift: its name, overrides, n_images, `psnr` and `inverse_psnr` per image, gain (dB, mean over
    images), max_nfe and converged_share for a DEQ; milder_share, the share of images that a milder operator
    reconstructs, where a guard such as `GuardedDEQ.prompt` is given. Shifts default to `shifts(checkpoint.recipe)`.
    """
    recipe = checkpoint.recipe
    every = shifts(recipe) if chosen is None else chosen
    return [_evaluated(checkpoint, recipe, shift, guard) for shift in track(every, recipe.name)]


def generalisation_report(
    checkpoint: Checkpoint, names: Sequence[str] | None = None, guard: Guard | None = None
) -> dict[str, Any]:
    """`generalise` with everything that it depends on, numbers with four decimals, ready for a file.

    names: of shifts; None for all. guard: as in `generalise`. Keys: format, name, summary, seed, recipe, step,
    data_hash, code, machine, tol, guard (its attempts and its budget; None without one), rows. Raises InputError for a
    name that the recipe has no shift of, and for a model that cannot be guarded.
    """
    recipe = checkpoint.recipe
    known = {shift.name: shift for shift in shifts(recipe)}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        told = choices(unknown[0], known, "`eiwork-study generalise` without --shift")
        raise InputError(f"There is no shift {unknown[0]!r} of {recipe.name}: {told}.")
    settings = None if guard is None else guard(certified(checkpoint.model())).settings()
    rows = generalise(checkpoint, [known[name] for name in names or known], guard)
    return {
        "format": FORMAT,
        "name": recipe.name,
        "summary": recipe.summary,
        "seed": recipe.seed,
        "recipe": recipe.model_dump(mode="json"),
        "step": checkpoint.card.get("step"),
        "data_hash": checkpoint.card.get("data_hash"),
        "test_data_hash": data.data_hash(recipe.data.name, "test"),
        "code": code_version(),
        "machine": machine(),
        "tol": TOLERANCE,
        "guard": settings,
        "rows": [_rounded(row) for row in rows],
    }


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    lists = {key: [round(value, 4) for value in row[key]] for key in ("psnr", "inverse_psnr")}
    return row | lists | {"gain": round(row["gain"], 4)}


def scans_under(recipe: Recipe, shift: Shift, *, every: int = 1) -> tuple[Recipe, LinearPhysics, MeasurementSet]:
    """The changed recipe, its physics, and the measured test images of a shift, or every so many of them."""
    shifted = recipe.with_overrides(**shift.overrides)
    size = shifted.data.image_size
    images = data.load(recipe.data.name, "test", size) if shift.images is None else shift.images(size)
    physics = shifted.build_physics()
    return shifted, physics, measured_set(images[::every], shifted, physics, shift.name)


def _evaluated(checkpoint: Checkpoint, recipe: Recipe, shift: Shift, guard: Guard | None) -> dict[str, Any]:
    _, physics, measured = scans_under(recipe, shift)
    trained = certified(checkpoint.model())
    models = {"model": trained if guard is None else guard(trained), "inverse": MinimumNormInverse()}
    found = evaluate(models, physics, measured.y, measured.x, seed=recipe.seed)
    values, psnr = found.values["model"], {name: summary["psnr"] for name, summary in found.summary.items()}
    row: dict[str, Any] = {
        "shift": shift.name,
        "overrides": shift.overrides,
        "n_images": len(measured),
        "psnr": values["psnr"],
        "inverse_psnr": found.values["inverse"]["psnr"],
        "gain": psnr["model"] - psnr["inverse"],
    }
    if "nfe" in values:
        row |= {"max_nfe": max(values["nfe"]), "converged_share": found.summary["model"]["converged_share"]}
    if "weights" in values:
        row["milder_share"] = sum(weight < 1 for weight in values["weights"]) / len(measured)
    return row


def _sampling(recipe: Recipe) -> list[Shift]:
    """Half, and one and a half times the measurements; another mask."""
    physics = recipe.physics
    found: list[Shift] = []
    if physics.kind == "tomography":
        for factor in (0.5, 0.75, 1.5, 2.0):
            n = max(1, round(factor * physics.n_views))
            found.append(Shift(name=f"{n} views", overrides={"physics__n_views": n}))
        return found
    found.append(Shift(name="another mask", overrides={"physics__seed": physics.seed + 1}))
    if physics.kind == "mri":
        for factor in (0.5, 0.75, 1.5):
            rate = max(1.0, factor * physics.acceleration)
            found.append(Shift(name=f"acceleration {rate:g}", overrides={"physics__acceleration": rate}))
    else:
        for factor in (0.6, 0.8, 1.2, 1.4):
            keep = min(1.0, factor * physics.keep)
            found.append(Shift(name=f"{keep:.0%} of the pixels", overrides={"physics__keep": keep}))
    return [shift for shift in found if _possible(recipe, shift)]


def _possible(recipe: Recipe, shift: Shift) -> bool:
    try:
        changed = recipe.with_overrides(**shift.overrides)
        changed.build_physics()
    except EiworkError:
        return False
    return True


def _turned(name: str, degrees: float) -> Callable[[int], Images]:
    def images(size: int) -> Images:
        plain = data.load(name, "test", size)
        turned = Rotation().transform(plain, theta=torch.tensor([degrees], dtype=torch.float64))
        return turned.clamp(0.0, 1.0)

    return images


def _plane(plane: str) -> Callable[[int], Images]:
    return lambda size: data.load("mri", "test", size, plane=plane)


def _other(name: str) -> Callable[[int], Images]:
    return lambda size: data.load(name, "test", size)


def _soft_tissue(size: int) -> Images:
    return data.load("ct", "test", size, window=(-160, 240))


def _inverted(size: int) -> Images:
    """Dark where the head was bright, air still dark: a crude stand-in for another weighting."""
    plain = data.load("mri", "test", size)
    inside = (plain / 0.1).clamp(max=1.0)
    return inside * (1 - plain)
