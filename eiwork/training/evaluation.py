"""Measuring a model on the test split: PSNR and SSIM per image, evaluations and convergence of the solver."""

import warnings
from pathlib import Path
from typing import Any

import torch
from deepinv.loss.metric import PSNR, SSIM
from jaxtyping import Float
from torch import Tensor, nn

from eiwork import device as devices
from eiwork.errors import ConvergenceWarning
from eiwork.fixed_point import Report, record
from eiwork.models.baselines import FilteredBackProjection, MinimumNormInverse
from eiwork.physics import magnitude
from eiwork.training.build import build_physics
from eiwork.training.build_loss import build_reconstructor
from eiwork.training.checkpoints import load_checkpoint
from eiwork.training.measurements import MeasurementSet, test_set
from eiwork.training.randomness import seeded
from eiwork.training.recipe import Recipe

Image = Float[Tensor, "n channel height width"]


def image_quality(x_hat: Image, x: Image) -> dict[str, list[float]]:
    """PSNR (dB, peak 1) and SSIM of each image; complex images are compared by magnitude."""
    if x.shape[1] == 2:
        x_hat, x = magnitude(x_hat), magnitude(x)
    return {"psnr": PSNR()(x_hat, x).tolist(), "ssim": SSIM()(x_hat, x).tolist()}


def evaluate_model(model: nn.Module, images: MeasurementSet, physics: Any, batch_size: int = 16) -> dict[str, Any]:
    """PSNR and SSIM per image of `images`, with the solver's evaluations and residuals where the model is a DEQ.

    n_evaluations: per solve of a batch; nfe: per image, until its own residual reached the tolerance; residual,
    converged, sigma_min, error_bound, weights (of a GuardedDEQ): per image, the worst where a reconstruction averages
    several solves.
    """
    assert images.x is not None
    outputs, solves = [], []
    with torch.no_grad(), warnings.catch_warnings():
        # Every residual is in the result, sample by sample; a warning per batch would only repeat it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for y in images.y.split(batch_size):
            with record() as reports:
                outputs.append(model(y, physics))
            solves.append(list(reports))
    result: dict[str, Any] = image_quality(torch.cat(outputs), images.x)
    if solves[0]:
        result |= {
            "n_evaluations": [report.n_evaluations for reports in solves for report in reports],
            "tol": solves[0][0].tol,
        }
        result |= {key: [v for reports in solves for v in _worst(reports)[key]] for key in _worst(solves[0])}
    return result


def _worst(reports: list[Report]) -> dict[str, list[Any]]:
    """What is known of each image of a batch from the solves that made it."""
    values: dict[str, list[Any]] = {
        "nfe": torch.stack([_nfe(report) for report in reports]).sum(dim=0).tolist(),
        "residual": torch.stack([report.residual for report in reports]).amax(dim=0).tolist(),
        "converged": torch.stack([report.converged for report in reports]).all(dim=0).tolist(),
    }
    for key, worst in (("sigma_min", torch.amin), ("error_bound", torch.amax), ("weights", torch.amin)):
        known = [value for report in reports if (value := getattr(report, key)) is not None]
        if known:
            values[key] = worst(torch.stack(known), dim=0).tolist()
    return values


def _nfe(report: Report) -> Tensor:
    """Evaluations until each sample's residual first met the tolerance; all of them where it never did."""
    residuals = torch.stack(report.trace)
    met = residuals <= report.tol
    first = met.int().argmax(dim=0) + 1
    return torch.where(met.any(dim=0), first, torch.full_like(first, report.n_evaluations))


def summarise(result: dict[str, Any]) -> dict[str, float]:
    """Means over images: psnr, ssim and, for a DEQ, evaluations per batch, the worst residual, the converged share."""
    summary = {key: sum(result[key]) / len(result[key]) for key in ("psnr", "ssim")}
    if "converged" in result:
        summary["n_evaluations"] = sum(result["n_evaluations"]) / len(result["n_evaluations"])
        summary["max_residual"] = max(result["residual"])
        summary["converged_share"] = sum(result["converged"]) / len(result["converged"])
    return summary


def linear_baselines(recipe: Recipe) -> dict[str, nn.Module]:
    """What needs no training on the physics of a recipe."""
    baselines: dict[str, nn.Module] = {"minimum-norm inverse": MinimumNormInverse()}
    if recipe.physics.kind == "tomography":
        baselines["filtered back-projection"] = FilteredBackProjection()
    return baselines


def evaluate(checkpoint: Path, device: str = "auto") -> dict[str, Any]:
    """Evaluate a checkpoint on every test image of its recipe, beside the linear baselines.

    Returns name, data_hash, n_images, `summary` (method -> means) and `images` (method -> lists per image).
    Raises CheckpointError for an unusable checkpoint, InputError for an unusable device.
    """
    loaded, place = load_checkpoint(Path(checkpoint)), devices.resolve(device)
    recipe = loaded.recipe
    physics = build_physics(recipe.physics, recipe.data.image_size)
    images = test_set(recipe, physics).to(place)
    physics = physics.to(place)
    model = build_reconstructor(recipe, loaded.model().to(place))
    methods = {recipe.name: model, **linear_baselines(recipe)}
    with seeded(recipe.seed, "evaluation"):
        results = {name: evaluate_model(model, images, physics) for name, model in methods.items()}
    return {
        "name": recipe.name,
        "step": loaded.card.get("step"),
        "data_hash": images.data_hash,
        "n_images": len(images),
        "summary": {name: summarise(result) for name, result in results.items()},
        "images": results,
    }
