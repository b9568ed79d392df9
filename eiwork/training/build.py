"""From settings to objects: the physics, the model and the group that a recipe describes."""

from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from torch import nn

from eiwork import physics as physics_module
from eiwork.fixed_point import GMRES, Anderson, GradientMode, Implicit, JacobianFree
from eiwork.losses import WeightedLoss, build_loss
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.models.baselines import UnrolledNetwork, unet_on_inverse
from eiwork.symmetry import Reflection, Rotation, Shift
from eiwork.training.recipe import Recipe
from eiwork.training.settings import (
    ConsistencySettings,
    EquivariantSettings,
    ImplicitSettings,
    InpaintingSettings,
    IterationSettings,
    JacobianFreeSettings,
    MRISettings,
    TomographySettings,
    UnrolledSettings,
    WhitenedStepSettings,
)

_TRANSFORMS = {"rotation": Rotation, "reflection": Reflection, "shift": Shift}


def build_physics(
    settings: TomographySettings | MRISettings | InpaintingSettings, image_size: int
) -> LinearPhysics:
    """The operator of a recipe for square images of a size."""
    if isinstance(settings, TomographySettings):
        return physics_module.tomography(image_size, settings.n_views, noise_sigma=settings.noise_sigma)
    if isinstance(settings, MRISettings):
        return physics_module.mri(
            image_size,
            acceleration=settings.acceleration,
            center_fraction=settings.center_fraction,
            noise_sigma=settings.noise_sigma,
            seed=settings.mask_seed,
        )
    return physics_module.inpainting(
        image_size, keep=settings.keep, noise_sigma=settings.noise_sigma, seed=settings.mask_seed
    )


def build_iteration(settings: IterationSettings, channels: int) -> ProximalGradient:
    """Proximal gradient descent with a fresh ResidualCNN (weights from torch's global generator)."""
    denoiser = ResidualCNN(
        channels,
        width=settings.width,
        depth=settings.depth,
        shrinkage=settings.shrinkage,
        unshuffle=settings.unshuffle,
    )
    step = settings.data_step
    if isinstance(step, WhitenedStepSettings):
        return ProximalGradient(denoiser, WhitenedStep(step.step_size, step.regularisation))
    return ProximalGradient(denoiser, GradientStep(step.step_size))


def build_gradient(settings: ImplicitSettings | JacobianFreeSettings) -> GradientMode:
    """The gradient mode of a recipe."""
    if isinstance(settings, ImplicitSettings):
        return Implicit(GMRES(tol=settings.tol, max_iter=settings.max_iter))
    return JacobianFree()


def build_model(recipe: Recipe) -> nn.Module:
    """The model of a recipe, untrained (weights from torch's global generator)."""
    model = recipe.model
    if model.kind == "deq":
        solver = Anderson(tol=model.tol, max_iter=model.max_iter, memory=model.memory)
        return DEQ(build_iteration(model.iteration, recipe.channels), solver, build_gradient(model.gradient))
    if isinstance(model, UnrolledSettings):
        return UnrolledNetwork(build_iteration(model.iteration, recipe.channels), steps=model.steps)
    return unet_on_inverse(recipe.channels, width=model.width, scales=model.scales)


def build_group(settings: EquivariantSettings) -> Transform:
    """The random transform of an EI recipe: its parts applied one after the other."""
    transform = _TRANSFORMS[settings.group[0]]()
    for name in settings.group[1:]:
        transform = transform * _TRANSFORMS[name]()
    return transform


def build_training_loss(recipe: Recipe) -> WeightedLoss:
    """The loss of a recipe; the virtual measurement is noisy when the physics is."""
    loss = recipe.loss
    if isinstance(loss, EquivariantSettings):
        return build_loss(
            "ei",
            build_group(loss),
            mc_weight=loss.mc_weight,
            ei_weight=loss.ei_weight,
            noisy=recipe.physics.noise_sigma > 0,
        )
    if isinstance(loss, ConsistencySettings):
        return build_loss("mc", mc_weight=loss.mc_weight)
    return build_loss("supervised")
