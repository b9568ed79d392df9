"""The recovered prior on a physics that it was not trained for, beside plugging in D and beside total variation."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork import physics as physics_module
from eiwork.analysis import ImpliedPrior, PathPotential
from eiwork.errors import ConvergenceWarning, EiworkError, InputError
from eiwork.fixed_point import Anderson
from eiwork.models import DEQ, GradientStep, InputConvexPotential, ProximalGradient
from eiwork.models.baselines import MinimumNormInverse, TotalVariation
from eiwork.training import Recipe
from eiwork.training.evaluation import image_quality
from eiwork.training.measurements import clean_images, measure
from eiwork.training.randomness import seeded
from eiwork_study.classical import golden_section
from eiwork_study.proximal.explicit_prior import Minimisation, minimise_with_prior
from eiwork_study.proximal.gradient_field import fit_gradient_field
from eiwork_study.proximal.subjects import Subject

Image = Float[Tensor, "n channel height width"]
Solve = Callable[[Tensor, LinearPhysics, float], tuple[Tensor, dict[str, Any]]]

# Decimal logarithms; D plugged in takes steps of 1 / weight, which ||A|| = 1 bounds by 2.
_WEIGHTS = (-0.25, 1.5)
_WEIGHTS_OF_CONVEX = (-2.5, 1.0)
_WEIGHTS_OF_TV = (-4.5, -1.0)
_N_TUNED, _TUNING = 2, 0.2


def other_physics(recipe: Recipe) -> dict[str, LinearPhysics]:
    """Operators on the same images that the recipe's training never saw, with its noise."""
    size, sigma, channels = recipe.data.image_size, recipe.physics.noise_sigma, recipe.channels
    found: dict[str, LinearPhysics] = {
        "inpainting, half the pixels": physics_module.inpainting(size, keep=0.5, noise_sigma=sigma, channels=channels)
    }
    if recipe.physics.kind == "mri":
        found["MRI, another mask"] = physics_module.mri(size, acceleration=4, noise_sigma=sigma, seed=1)
        found["MRI, 3x"] = physics_module.mri(size, acceleration=3, noise_sigma=sigma)
    if recipe.physics.kind == "tomography":
        found["CT, 12 views"] = physics_module.tomography(size, 12, noise_sigma=sigma)
    return found


def prior_of(denoiser: nn.Module, image: Image, order: int = 8) -> ImpliedPrior:
    """phi of a denoiser, from its potential along straight lines from the black image."""
    return ImpliedPrior(denoiser, PathPotential(denoiser, torch.zeros_like(image[:1]), order))


def plugged_in(denoiser: nn.Module, weight: float) -> DEQ:
    """Proximal gradient descent with D and a step of 1 / weight: its fixed points are stationary for weight phi."""
    iteration = ProximalGradient(denoiser, GradientStep(1 / weight))
    return DEQ(iteration, Anderson(tol=1e-4, max_iter=200, memory=10)).eval()


def compare_elsewhere(
    subject: Subject,
    recipe: Recipe,
    images: Image,
    *,
    operators: Mapping[str, LinearPhysics] | None = None,
    seed: int = 0,
    max_iter: int = 300,
    tol: float = 1e-3,
    steps: int = 600,
) -> list[dict[str, Any]]:
    """Reconstruct the same noisy measurements of each operator in several ways.

    The prior recovered from D, minimised; D plugged in; both with the proximal map fitted to D in `steps` steps
    (`nearest_proximal_map`), whose prior exists; total variation; the minimum-norm inverse. Every method with a weight
    gets the one of the highest mean PSNR, found on the first two images with their ground truth.

    A row for each operator and method: physics, method, weight, psnr (dB, per image; None where it diverges, with the
    error), converged (share), residual (largest), and for priors steps and whether the objective never grew (monotone).
    operators: `other_physics(recipe)` by default. Raises InputError for a single image.
    """
    if len(images) < 2:
        raise InputError("compare_elsewhere needs at least two images: two serve to find the weights.")
    nearest = nearest_proximal_map(subject.denoiser, recipe, images, seed=seed, steps=steps)
    rows = []
    for name, physics in (other_physics(recipe) if operators is None else operators).items():
        y = measure(images, physics, seed, stream="evaluation")
        for method, (solve, bracket) in _methods(subject.denoiser, nearest, images, max_iter, tol).items():
            rows.append({"physics": name, "method": method, **best_of(solve, bracket, y, images, physics)})
    return rows


def best_of(
    solve: Solve, bracket: tuple[float, float] | None, y: Tensor, images: Image, physics: LinearPhysics
) -> dict[str, Any]:
    """psnr and details of all images with the weight of highest mean PSNR on the first two, found in a bracket.

    bracket: of decimal logarithms; None for a method without a weight. psnr is None where the method diverges.
    """

    def quality(log_weight: float) -> float:
        try:
            x = solve(y[:_N_TUNED], physics, 10**log_weight)[0]
        except EiworkError:
            # Diverged: another weight.
            return -math.inf
        found = image_quality(x, images[:_N_TUNED])["psnr"]
        return sum(found) / len(found)

    with warnings.catch_warnings():
        # What did not converge is in the row.
        warnings.simplefilter("ignore", ConvergenceWarning)
        weight = 1.0 if bracket is None else 10 ** golden_section(quality, *bracket, tol=_TUNING)[0]
        try:
            x, details = solve(y, physics, weight)
        except EiworkError as error:
            return {"weight": weight, "psnr": None, "converged": 0.0, "error": str(error)}
    chosen = {} if bracket is None else {"weight": weight}
    return {**chosen, "psnr": image_quality(x, images)["psnr"], **details}


def _monotone(found: Minimisation) -> bool:
    """Whether no sample's objective ever grew by more than its rounding."""
    trace = torch.stack(found.objective)
    return bool((trace[1:] <= trace[:-1] + 1e-6 * trace[:-1].abs()).all())


def nearest_proximal_map(
    denoiser: nn.Module, recipe: Recipe, images: Image, *, seed: int = 0, steps: int = 600
) -> nn.Module:
    """The gradient of a convex potential fitted to D by least squares around clean images: a proximal map near D."""
    with seeded(seed, "weights"):
        student = InputConvexPotential(recipe.channels)
    generator = torch.Generator().manual_seed(seed)
    return fit_gradient_field(
        denoiser, student, clean_images(recipe), images, generator=generator, steps=steps, noise=0.1
    ).field


def _methods(
    denoiser: nn.Module, nearest: nn.Module, images: Image, max_iter: int, tol: float
) -> dict[str, tuple[Solve, tuple[float, float] | None]]:
    def explicit(prior: ImpliedPrior) -> Solve:
        def solve(y: Tensor, physics: LinearPhysics, weight: float) -> tuple[Tensor, dict[str, Any]]:
            found = minimise_with_prior(prior, y, physics, weight=weight, max_iter=max_iter, tol=tol)
            return found.x, {
                "converged": float(found.converged.double().mean()),
                "residual": float(found.residual.max()),
                "steps": len(found.objective) - 1,
                "monotone": _monotone(found),
            }

        return solve

    def plugged(operator: nn.Module) -> Solve:
        def solve(y: Tensor, physics: LinearPhysics, weight: float) -> tuple[Tensor, dict[str, Any]]:
            with torch.no_grad():
                solution = plugged_in(operator, weight).solve(y, physics)
            x = solution.value
            assert isinstance(x, Tensor)
            converged = float(solution.converged.double().mean())
            return x, {"converged": converged, "residual": float(solution.residual.max())}

        return solve

    def variation(y: Tensor, physics: LinearPhysics, weight: float) -> tuple[Tensor, dict[str, Any]]:
        return TotalVariation(weight)(y, physics), {}

    def inverse(y: Tensor, physics: LinearPhysics, weight: float) -> tuple[Tensor, dict[str, Any]]:
        return MinimumNormInverse()(y, physics), {}

    return {
        "recovered prior, minimised": (explicit(prior_of(denoiser, images)), _WEIGHTS),
        "D plugged in": (plugged(denoiser), _WEIGHTS),
        "prior of the fitted proximal map, minimised": (
            explicit(prior_of(nearest, images)),
            _WEIGHTS_OF_CONVEX,
        ),
        "fitted proximal map plugged in": (plugged(nearest), _WEIGHTS),
        "total variation": (variation, _WEIGHTS_OF_TV),
        "minimum-norm inverse": (inverse, None),
    }
