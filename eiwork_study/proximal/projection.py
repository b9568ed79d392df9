"""Is the prior reading free? The trained operator replaced by gradient fields near it."""

import warnings
from typing import Any

import numpy as np
import torch
from eiwork.training.build_loss import build_reconstructor
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.analysis import PathPotential, RandomSigns, asymmetry, jacobian
from eiwork.analysis.quadrature import inner
from eiwork.errors import ConvergenceError, ConvergenceWarning
from eiwork.models import GradientStepDenoiser
from eiwork.training import Recipe, build_physics
from eiwork.training.evaluation import evaluate_model
from eiwork.training.measurements import MeasurementSet, clean_images, test_set
from eiwork.training.randomness import seeded
from eiwork_study.proximal.gradient_field import fit_gradient_field
from eiwork_study.proximal.subjects import Subject
from eiwork_study.task import certified

Image = Float[Tensor, "n channel height width"]
_ORDER, _PROBES = 8, 4


class PathGradient(nn.Module):
    """grad psi of `PathPotential`: a gradient field that equals D exactly where D is one, and needs no training.

    One evaluation costs about three of D for each of the `order` nodes. denoiser: D. The potential's base is black.
    """

    def __init__(self, denoiser: nn.Module, order: int = _ORDER) -> None:
        super().__init__()
        self.denoiser, self.order = denoiser, order

    def forward(self, x: Image) -> Image:
        """grad psi(x): the integral of D(t x) + t J(t x)^T x over t in [0, 1]; without a graph."""
        psi = PathPotential(self.denoiser, torch.zeros_like(x[:1]), self.order)
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(psi(leaf).sum(), leaf)
        return gradient


def compare_projections(
    subject: Subject, recipe: Recipe, *, n_images: int = 16, steps: int = 600, seed: int = 0
) -> list[dict[str, Any]]:
    """The trained DEQ with its own D, with the gradient of D's path potential, and with a fitted gradient field.

    The fitted field is a gradient-step denoiser trained to reproduce D around clean images and with noise. Every other
    setting of the DEQ stays. A row for each: operator, psnr (dB, per image), converged (share), nfe (mean),
    asymmetry (learnt part, mean; of the path gradient None: its Jacobian is symmetric, and its second derivatives are
    not computed), distance: ||S(x) - D(x)|| / ||D(x) - c x|| at the clean images, mean, 0 for D itself.
    A diverging operator has psnr None.
    """
    physics = build_physics(recipe.physics, recipe.data.image_size)
    images = test_set(recipe, physics)
    chosen = images[torch.linspace(0, len(images) - 1, min(n_images, len(images))).round().long()]
    assert chosen.x is not None
    own = subject.denoiser
    with seeded(seed, "weights"):
        student = GradientStepDenoiser.convolutional(recipe.channels)
    generator = torch.Generator().manual_seed(seed)
    fit = fit_gradient_field(own, student, clean_images(recipe), chosen.x, generator=generator, steps=steps, noise=0.1)
    operators = {
        "D as trained": own,
        "gradient of D's path potential": PathGradient(own),
        "fitted gradient field": fit.field,
    }
    rows = []
    for name, operator in operators.items():
        rows.append(
            {
                "operator": name,
                **_in_the_deq(subject, operator, recipe, chosen, physics, seed),
                "distance": _distance(own, operator, chosen.x),
                "asymmetry": _asymmetry(operator, chosen.x, seed),
            }
        )
    subject.model.set_submodule("iterate.denoiser", own)
    return rows


def _in_the_deq(
    subject: Subject, operator: nn.Module, recipe: Recipe, images: MeasurementSet, physics: Any, seed: int
) -> dict[str, Any]:
    subject.model.set_submodule("iterate.denoiser", operator)
    model = build_reconstructor(recipe, certified(subject.model))
    try:
        with warnings.catch_warnings(), seeded(seed, "evaluation"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = evaluate_model(model, images, physics)
    except ConvergenceError:
        return {"psnr": None, "converged": 0.0, "nfe": None}
    return {
        "psnr": found["psnr"],
        "converged": float(np.mean(found["converged"])),
        "nfe": float(np.mean(found["nfe"])),
    }


@torch.no_grad()
def _distance(own: nn.Module, operator: nn.Module, x: Image) -> float:
    target = own(x)
    rest = target - (inner(target, x) / inner(x, x)).to(x).view(-1, 1, 1, 1) * x
    return float(((operator(x) - target).flatten(1).norm(dim=1) / rest.flatten(1).norm(dim=1)).mean())


def _asymmetry(operator: nn.Module, x: Image, seed: int) -> float | None:
    if isinstance(operator, PathGradient):
        return None
    generator = torch.Generator().manual_seed(seed)
    return float(asymmetry(jacobian(operator, x[:4]), RandomSigns(_PROBES), generator=generator).learnt.value.mean())
