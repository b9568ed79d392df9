"""Scans unlike those of a training, on which its iteration shall have a fixed point too."""

from dataclasses import replace

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork import data
from eiwork.fixed_point.state import rows_of
from eiwork.models import DEQ
from eiwork.models.batch_map import BatchMap
from eiwork.models.guarded import try_to_solve
from eiwork.symmetry import Rotation, Shift
from eiwork.training.build import build_physics
from eiwork.training.contraction import contraction_penalty
from eiwork.training.contraction_settings import ForeignScansSettings
from eiwork.training.measurements import as_model_images
from eiwork.training.recipe import Recipe

Image = Float[Tensor, "batch channel height width"]

# Masks of the training and of the evaluation have small seeds.
_FIRST_MASK_SEED = 1000


class ForeignScans:
    """Draws scans unlike a recipe's: dead leaves, moved images, other sampling, more noise (ForeignScansSettings).

    Everything random follows from torch's default generator. The idea and its settings are ours.
    """

    def __init__(self, recipe: Recipe, settings: ForeignScansSettings, device: torch.device) -> None:
        self.recipe, self.settings = recipe, settings
        self.operators = [physics.to(device) for physics in _operators(recipe, settings)]

    def draw(self, images: Image) -> tuple[Tensor, LinearPhysics]:
        """Measurements of `settings.scans` images, some made from `images` (reconstructions), and their operator."""
        n, size = self.settings.scans, self.recipe.data.image_size
        own = images.detach()[torch.randint(len(images), (n,))]
        moved = Rotation()(Shift()(own))
        leaves = data.dead_leaves(n, size, int(torch.randint(2**31, ())))
        made = as_model_images(leaves, self.recipe).to(images)
        chosen = (torch.rand(n) < self.settings.leaves).to(images.device)[:, None, None, None]
        physics = self.operators[int(torch.randint(len(self.operators), ()))]
        own_noise = self.recipe.physics.noise_sigma
        sigma = own_noise + max(0.0, self.settings.max_noise - own_noise) * float(torch.rand(()))
        physics.noise_model.update_parameters(sigma=sigma)
        with torch.no_grad():
            return physics(torch.where(chosen, made, moved)), physics


def foreign_penalty(model: DEQ, images: Image, scans: ForeignScans) -> tuple[Float[Tensor, ""], int]:
    """`contraction_penalty` of a DEQ on foreign scans that it does not solve in time, and how many these are.

    The mean is over all foreign scans: one that is solved within `settings.evaluations` counts as zero. A scan that is
    not solved is judged at the best point that the solver found. images: reconstructions, a part of what is scanned.
    """
    settings, contraction = scans.settings, scans.recipe.contraction
    assert contraction is not None, "foreign scans are a part of it"
    y, physics = scans.draw(images)
    assert isinstance(model.iterate, nn.Module)
    hurried = DEQ(model.iterate, replace(model.solver, max_iter=settings.evaluations))
    solution, _ = try_to_solve(hurried, y, physics, None)
    failed = torch.nonzero(~solution.converged).flatten()
    if len(failed) == 0:
        return y.new_zeros(()), 0
    iteration = BatchMap(model.iterate, y, physics).select(failed)
    assert iteration is not None, "the scans of a step share one operator"
    z = rows_of(solution.value, failed)
    penalty, _ = contraction_penalty(iteration, z, settings.target, contraction.krylov_size)
    return penalty * (len(failed) / len(y)), len(failed)


def _operators(recipe: Recipe, settings: ForeignScansSettings) -> list[LinearPhysics]:
    """The recipe's operator (a copy: its noise will change), and others."""
    own, found = recipe.physics, [recipe.physics]
    for number, factor in enumerate((1.0, *settings.sampling)):
        mask_seed = _FIRST_MASK_SEED + number
        if own.kind == "tomography":
            other: dict[str, float | int] = {"n_views": max(1, round(factor * own.n_views))}
        elif own.kind == "mri":
            other = {"acceleration": max(1.0, own.acceleration / factor), "mask_seed": mask_seed}
        else:
            other = {"keep": min(1.0, factor * own.keep), "mask_seed": mask_seed}
        changed = own.model_copy(update=other)
        if changed not in found:
            found.append(changed)
    return [build_physics(changed, recipe.data.image_size) for changed in found]
