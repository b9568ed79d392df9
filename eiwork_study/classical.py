"""Reconstructions without training, as well as they can be: each with the settings that the test images favour."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.models.baselines import ConjugateGradientSENSE, FilteredBackProjection, MinimumNormInverse, TotalVariation
from eiwork.training import evaluate
from eiwork.training.measurements import MeasurementSet

_WEIGHTS = (1e-5, 1.0)
_N_TUNED = 8
_GOLDEN = (math.sqrt(5) - 1) / 2
_WEIGHTED: dict[str, Callable[[float], nn.Module]] = {"cg-sense": ConjugateGradientSENSE, "tv": TotalVariation}


def classical_model(method: str, images: MeasurementSet, physics: Any) -> tuple[nn.Module, dict[str, Any]]:
    """The reconstruction and what was chosen for it.

    Total variation and CG-SENSE get the weight of the highest mean PSNR on `_N_TUNED` of the test images, found with
    their ground truth: an advantage that no trained method has. Raises InputError for another method.
    """
    if method == "inverse":
        return MinimumNormInverse(), {}
    if method == "fbp":
        return FilteredBackProjection(), {}
    if method not in _WEIGHTED:
        raise InputError(f"{method!r} is not a reconstruction without training.")
    build = _WEIGHTED[method]
    weight, psnr = tuned_weight(build, images, physics)
    chosen = {"weight": weight, "psnr_of_tuning": psnr, "images_of_tuning": min(_N_TUNED, len(images))}
    return build(weight), chosen


def tuned_weight(build: Callable[[float], nn.Module], images: MeasurementSet, physics: Any) -> tuple[float, float]:
    """The weight of build(weight) with the highest mean PSNR on evenly spread test images, and that PSNR."""
    chosen = torch.linspace(0, len(images) - 1, min(_N_TUNED, len(images))).round().long()
    subset = images[chosen]

    def quality(log_weight: float) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = {"model": build(10**log_weight)}
            values = evaluate(model, physics, subset.y, subset.x).values["model"]["psnr"]
        return sum(values) / len(values)

    low, high = (math.log10(value) for value in _WEIGHTS)
    best, value = golden_section(quality, low, high, tol=0.1)
    return 10**best, value


def golden_section(f: Callable[[float], float], low: float, high: float, *, tol: float) -> tuple[float, float]:
    """(x, f(x)) near the maximum of a unimodal f on [low, high]: the bracket shrinks below tol (Kiefer, 1953)."""
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    fa, fb = f(a), f(b)
    while high - low > tol:
        if fa >= fb:
            high, b, fb = b, a, fa
            a = high - _GOLDEN * (high - low)
            fa = f(a)
        else:
            low, a, fa = a, b, fb
            b = low + _GOLDEN * (high - low)
            fb = f(b)
    return (a, fa) if fa >= fb else (b, fb)
