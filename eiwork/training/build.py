"""From settings to objects: the physics and the model that a recipe describes."""

import torch
from deepinv.physics import LinearPhysics
from torch import nn

from eiwork import physics as physics_module
from eiwork.errors import RecipeError
from eiwork.fixed_point import (
    GMRES,
    SHINE,
    Anderson,
    Broyden,
    FixedPointSolver,
    GradientMode,
    Implicit,
    JacobianFree,
    Neumann,
    Phantom,
)
from eiwork.models import (
    ADMM,
    DEQ,
    DataStep,
    GradientDescent,
    GradientStep,
    HalfQuadraticSplitting,
    InputConvexPotential,
    ProximalGradient,
    ResidualBlockCNN,
    ResidualCNN,
    WhitenedStep,
)
from eiwork.models.baselines import UnrolledNetwork
from eiwork.training.recipe import Recipe
from eiwork.training.settings import (
    ADMMSettings,
    DEQSettings,
    GradientDescentSettings,
    GradientSettings,
    GradientStepSettings,
    HalfQuadraticSplittingSettings,
    ImplicitSettings,
    InpaintingSettings,
    IterationBase,
    JacobianFreeSettings,
    MRISettings,
    NeumannSettings,
    PhantomSettings,
    ProximalGradientSettings,
    SHINESettings,
    TomographySettings,
    UnrolledSettings,
    WhitenedStepSettings,
)
from eiwork.training.tolerance_schedule import Tolerances, ToleranceSchedule
from eiwork.training.warm_start import EquilibriumCache

# With the potential's own default the features would still be asleep after hundreds of steps.
_GAIN = 0.03


def build_physics(settings: TomographySettings | MRISettings | InpaintingSettings, image_size: int) -> LinearPhysics:
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
            n_coils=settings.n_coils,
        )
    return physics_module.inpainting(
        image_size, keep=settings.keep, noise_sigma=settings.noise_sigma, seed=settings.mask_seed
    )


def build_iteration(settings: IterationBase, channels: int) -> nn.Module:
    """The iteration of a recipe with a fresh network (weights from torch's global generator)."""
    if settings.momentum is not None:
        raise RecipeError("model.iteration.momentum is gone: leave it out.")
    return _iteration(settings, _denoiser(settings, channels))


def _denoiser(settings: IterationBase, channels: int) -> nn.Module:
    width, shrinkage, unshuffle = settings.width, settings.shrinkage, settings.unshuffle
    if settings.network == "blocks":
        blocks = (settings.depth - 2) // 2
        return ResidualBlockCNN(channels, width=width, blocks=blocks, shrinkage=shrinkage, unshuffle=unshuffle)
    depth = settings.depth
    if settings.network == "convex":
        return InputConvexPotential(
            channels, width=width, depth=depth, unshuffle=unshuffle, shrinkage=shrinkage, gain=_GAIN
        )
    return ResidualCNN(channels, width=width, depth=depth, shrinkage=shrinkage, unshuffle=unshuffle)


def _iteration(settings: IterationBase, denoiser: nn.Module) -> nn.Module:
    if isinstance(settings, ProximalGradientSettings):
        return ProximalGradient(denoiser, _data_step(settings.data_step))
    if isinstance(settings, HalfQuadraticSplittingSettings):
        return HalfQuadraticSplitting(denoiser, settings.penalty)
    if isinstance(settings, ADMMSettings):
        return ADMM(denoiser, settings.penalty)
    assert isinstance(settings, GradientDescentSettings)
    return GradientDescent(denoiser, settings.step_size, settings.weight)


def _data_step(settings: GradientStepSettings | WhitenedStepSettings) -> DataStep:
    if isinstance(settings, WhitenedStepSettings):
        return WhitenedStep(settings.step_size, settings.regularisation)
    return GradientStep(settings.step_size)


def build_gradient(settings: GradientSettings) -> GradientMode:
    """The gradient mode of a recipe."""
    if isinstance(settings, ImplicitSettings):
        return Implicit(GMRES(tol=settings.tol, max_iter=settings.max_iter))
    if isinstance(settings, PhantomSettings):
        return Phantom(settings.steps, settings.damping)
    if isinstance(settings, NeumannSettings):
        return Neumann(settings.terms)
    if isinstance(settings, SHINESettings):
        return SHINE(settings.slack)
    assert isinstance(settings, JacobianFreeSettings)
    return JacobianFree()


def build_solver(settings: DEQSettings) -> FixedPointSolver:
    """The forward solver of a DEQ."""
    kind = Broyden if settings.solver == "broyden" else Anderson
    return kind(tol=settings.tol, max_iter=settings.max_iter, memory=settings.memory)


def build_model(recipe: Recipe) -> nn.Module:
    """The model of a recipe, untrained (weights from torch's global generator)."""
    model = recipe.model
    if model.kind == "deq":
        iteration: nn.Module = build_iteration(model.iteration, recipe.channels)
        if model.compiled or model.mixed_precision:
            raise RecipeError(
                f"Recipe {recipe.name!r}: model.compiled and mixed_precision are gone: leave out."
            )
        return DEQ(iteration, build_solver(model), build_gradient(model.gradient))
    if isinstance(model, UnrolledSettings):
        return UnrolledNetwork(build_iteration(model.iteration, recipe.channels), steps=model.steps)
    raise RecipeError(f"Recipe {recipe.name!r}: model.kind='unet' is gone: choose 'deq' or 'unrolled'.")


def build_optimiser(recipe: Recipe, model: nn.Module) -> torch.optim.Adam:
    """Adam on a model's parameters; each group's `scale` is its learning rate in units of the recipe's.

    Raises RecipeError where optimiser.scalar_rate is set for a model without learnt scalars.
    """
    settings, parameters = recipe.optimiser, list(model.parameters())
    scalars = [p for p in parameters if p.ndim == 0]
    if settings.scalar_rate == 1.0:
        groups = [{"params": parameters, "scale": 1.0}]
    elif scalars:
        weights = [p for p in parameters if p.ndim > 0]
        groups = [{"params": weights, "scale": 1.0}, {"params": scalars, "scale": settings.scalar_rate}]
    else:
        raise RecipeError(
            f"Recipe {recipe.name!r}: optimiser.scalar_rate={settings.scalar_rate} is for learnt step sizes and "
            f"penalties, and model.kind={recipe.model.kind!r} has none. Leave it out."
        )
    return torch.optim.Adam(groups, lr=settings.learning_rate)


def build_cache(recipe: Recipe) -> EquilibriumCache | None:
    """The cache of equilibria that a recipe's solves begin at, empty; None where it has no warm start."""
    model = recipe.model
    if not isinstance(model, DEQSettings) or model.warm_start is None:
        return None
    settings = model.warm_start
    return EquilibriumCache(budget_mib=settings.budget_mib, dtype=getattr(torch, settings.dtype))


def build_tolerances(recipe: Recipe) -> Tolerances | None:
    """The tolerances of a recipe's first step; None where they do not change. Needs implicit gradients."""
    model = recipe.model
    if not isinstance(model, DEQSettings) or model.tolerance_schedule is None:
        return None
    if not isinstance(model.gradient, ImplicitSettings):
        raise RecipeError(
            f"Recipe {recipe.name!r}: model.tolerance_schedule follows the certificate of implicit gradients, and "
            f"model.gradient.kind is {model.gradient.kind!r}. Leave it out."
        )
    settings = model.tolerance_schedule
    schedule = ToleranceSchedule(start=settings.start, end=settings.end)
    return Tolerances(schedule, forward=model.tol, adjoint=model.gradient.tol)
