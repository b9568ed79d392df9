"""From settings to objects: the group, the loss and what is evaluated."""

from deepinv.transform import Transform
from torch import nn

from eiwork.errors import RecipeError
from eiwork.losses import (
    SplitColumns,
    SplitPixels,
    SplitViews,
    WeightedLoss,
    averaged_reconstructor,
    build_denoising_loss,
    build_loss,
    build_recorrupted_loss,
    build_robust_loss,
    build_splitting_loss,
)
from eiwork.physics.projection import covering_detectors
from eiwork.symmetry import Reflection, Rotation, Shift
from eiwork.training.recipe import Recipe
from eiwork.training.settings import (
    ConsistencySettings,
    DenoisingSettings,
    ElementName,
    ElementSettings,
    EquivariantSettings,
    MRISettings,
    QuarterTurnSettings,
    RecorruptedSettings,
    ReflectionSettings,
    RobustEquivariantSettings,
    RotationSettings,
    ShiftSettings,
    SplittingSettings,
    TomographySettings,
)

_DEFAULTS: dict[ElementName, ElementSettings] = {
    "rotation": RotationSettings(),
    "quarter_turns": QuarterTurnSettings(),
    "reflection": ReflectionSettings(),
    "shift": ShiftSettings(),
}


def build_group(parts: tuple[ElementName | ElementSettings, ...]) -> Transform:
    """A random transform: its parts, at least one, applied one after the other."""
    first, *others = (_part(_DEFAULTS[part] if isinstance(part, str) else part) for part in parts)
    for other in others:
        first = first * other
    return first


def _part(settings: ElementSettings) -> Transform:
    if isinstance(settings, RotationSettings):
        return Rotation(settings.interpolation, settings.max_degrees, multiples_of=settings.multiples_of)
    if isinstance(settings, QuarterTurnSettings):
        return Rotation(multiples_of=90)
    if isinstance(settings, ReflectionSettings):
        return Reflection(settings.axes)
    return Shift(settings.max_fraction)


def build_training_loss(recipe: Recipe) -> WeightedLoss:
    """The loss of a recipe; the virtual measurement of EI is noisy when the physics is and nothing else is set."""
    loss, sigma = recipe.loss, recipe.physics.noise_sigma
    if isinstance(loss, EquivariantSettings | RobustEquivariantSettings | RecorruptedSettings):
        if loss.warm_start and recipe.model.kind != "deq":
            raise RecipeError(
                f"Recipe {recipe.name!r}: loss.warm_start begins a DEQ's solve, and model.kind is "
                f"{recipe.model.kind!r}. Leave it out."
            )
        group = build_group(loss.group)
        if isinstance(loss, RobustEquivariantSettings):
            return build_robust_loss(
                group,
                sigma=sigma,
                tau=loss.tau,
                sure_weight=loss.sure_weight,
                ei_weight=loss.ei_weight,
                warm_start=loss.warm_start,
                n_elements=loss.n_elements,
                whitening=loss.whitening,
                cycle_weight=loss.cycle_weight,
                stop_gradient=loss.stop_gradient,
            )
        if isinstance(loss, RecorruptedSettings):
            return build_recorrupted_loss(
                group,
                alpha=loss.alpha,
                mc_weight=loss.mc_weight,
                ei_weight=loss.ei_weight,
                cycle_weight=loss.cycle_weight,
                stop_gradient=loss.stop_gradient,
                warm_start=loss.warm_start,
                n_elements=loss.n_elements,
                whitening=loss.whitening,
            )
        return build_loss(
            "ei",
            group,
            mc_weight=loss.mc_weight,
            ei_weight=loss.ei_weight,
            noisy=sigma > 0 and loss.virtual_noise,
            warm_start=loss.warm_start,
            n_elements=loss.n_elements,
            whitening=loss.whitening,
            cycle_weight=loss.cycle_weight,
            stop_gradient=loss.stop_gradient,
            null_gain=loss.null_gain,
        )
    if isinstance(loss, SplittingSettings):
        masks = build_masks(loss, recipe)
        return build_splitting_loss(masks, _group_or_none(loss), consistency=loss.consistency)
    if isinstance(loss, DenoisingSettings):
        return build_denoising_loss(
            sigma=loss.sigma,
            mc_weight=loss.mc_weight,
            denoising_weight=loss.denoising_weight,
            target=loss.target,
        )
    if isinstance(loss, ConsistencySettings):
        return build_loss("mc", mc_weight=loss.mc_weight, whitening=loss.whitening)
    return build_loss("supervised")


def build_masks(loss: SplittingSettings, recipe: Recipe) -> SplitColumns | SplitPixels | SplitViews:
    """How the measurements of a recipe can be split: MRI by columns, inpainting by pixels, tomography by views."""
    if isinstance(recipe.physics, MRISettings):
        n_center = max(1, round(recipe.data.image_size * recipe.physics.center_fraction))
        return SplitColumns(loss.share, n_center=n_center)
    if isinstance(recipe.physics, TomographySettings):
        shape = (1, covering_detectors(recipe.data.image_size), recipe.physics.n_views)
        return SplitViews(loss.share, shape=shape)
    return SplitPixels(loss.share)


def build_reconstructor(recipe: Recipe, model: nn.Module) -> nn.Module:
    """What is evaluated: the model, or its average over splittings and group elements where the recipe says so."""
    loss = recipe.loss
    if not isinstance(loss, SplittingSettings) or not (loss.test_splittings or loss.test_elements):
        return model
    return averaged_reconstructor(
        model,
        build_masks(loss, recipe),
        _group_or_none(loss),
        n_splittings=loss.test_splittings,
        n_elements=loss.test_elements,
    )


def _group_or_none(loss: SplittingSettings) -> Transform | None:
    return build_group(loss.group) if loss.group else None
