"""The named recipes; every setting in them is ours."""

from difflib import get_close_matches

from eiwork.errors import RecipeError
from eiwork.training.recipe import Recipe
from eiwork.training.settings import (
    ConsistencySettings,
    ContractionSettings,
    DataSettings,
    DEQSettings,
    EquivariantSettings,
    HalfQuadraticSplittingSettings,
    ImplicitSettings,
    InpaintingSettings,
    JacobianFreeSettings,
    MRISettings,
    OptimiserSettings,
    ProximalGradientSettings,
    SupervisedSettings,
    TomographySettings,
    UNetSettings,
    UnrolledSettings,
)

# Loose adjoint solves: an inexact gradient keeps the step affordable near the edge of contraction.
_GRADIENT = ImplicitSettings(tol=0.1, max_iter=20)
_OPTIMISER = OptimiserSettings(warmup=50, clip=1.0)
_CT = Recipe(
    name="ct-ei-deq",
    summary="Sparse-view CT, a DEQ trained from noisy sinograms alone by equivariant imaging, implicit gradients.",
    data=DataSettings(name="ct"),
    physics=TomographySettings(n_views=8, noise_sigma=0.005),
    model=DEQSettings(
        # An exact data step: plain gradient steps need hundreds of evaluations in tomography.
        iteration=HalfQuadraticSplittingSettings(network="blocks", depth=6, penalty=0.05),
        memory=10,
        gradient=_GRADIENT,
    ),
    loss=EquivariantSettings(mc_weight=10.0, warm_start=True),
    contraction=ContractionSettings(weight=0.3, target=0.97),
    optimiser=_OPTIMISER,
    steps=1000,
)
_MRI = Recipe(
    name="mri-ei-deq",
    summary="4x accelerated MRI, a DEQ trained from the k-space of one mask alone by EI, implicit gradients.",
    data=DataSettings(name="mri"),
    physics=MRISettings(acceleration=4, noise_sigma=0.005),
    model=DEQSettings(
        iteration=ProximalGradientSettings(network="blocks", depth=6), memory=10, gradient=_GRADIENT
    ),
    loss=EquivariantSettings(warm_start=True),
    contraction=ContractionSettings(weight=1.0, target=0.95),
    optimiser=_OPTIMISER,
    steps=1000,
)
_INPAINTING = Recipe(
    name="inpainting-ei-deq",
    summary="Half the pixels missing, one mask, a DEQ trained from the measured pixels alone (shifts and rotations).",
    data=DataSettings(name="natural"),
    physics=InpaintingSettings(keep=0.5, noise_sigma=0.01),
    model=DEQSettings(
        iteration=ProximalGradientSettings(network="blocks", depth=6), memory=10, gradient=_GRADIENT
    ),
    loss=EquivariantSettings(group=("shift", "rotation"), warm_start=True),
    contraction=ContractionSettings(weight=1.0, target=0.95),
    optimiser=_OPTIMISER,
    steps=1000,
)


def _variants(base: Recipe) -> list[Recipe]:
    assert isinstance(base.model, DEQSettings)
    assert isinstance(base.loss, EquivariantSettings)
    prefix, title = base.name.removesuffix("-ei-deq"), base.summary.split(",")[0]
    iteration = base.model.iteration
    return [
        base,
        base.with_overrides(
            name=f"{prefix}-supervised-deq",
            summary=f"{title}, the same DEQ trained with ground truth: the oracle.",
            loss=SupervisedSettings(),
        ),
        base.with_overrides(
            name=f"{prefix}-mc-deq",
            summary=f"{title}, the same DEQ trained by measurement consistency alone: what EI adds is missing.",
            loss=ConsistencySettings(mc_weight=base.loss.mc_weight),
        ),
        base.with_overrides(
            name=f"{prefix}-ei-deq-jfb",
            summary=f"{title}, the same DEQ and EI loss with Jacobian-free backpropagation.",
            model__gradient=JacobianFreeSettings(),
        ),
        base.with_overrides(
            name=f"{prefix}-ei-unrolled",
            summary=f"{title}, the same iteration unrolled for 8 steps and trained by EI.",
            model=UnrolledSettings(iteration=iteration),
            loss__warm_start=False,
            contraction=None,
        ),
        base.with_overrides(
            name=f"{prefix}-ei-unet",
            summary=f"{title}, a U-Net on the minimum-norm inverse trained by EI.",
            model=UNetSettings(),
            loss__warm_start=False,
            contraction=None,
        ),
    ]


_RECIPES = {recipe.name: recipe for base in (_CT, _MRI, _INPAINTING) for recipe in _variants(base)}


def recipes() -> dict[str, Recipe]:
    """All named recipes, by name."""
    return dict(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name; raises RecipeError with the nearest names for an unknown one."""
    if name in _RECIPES:
        return _RECIPES[name]
    near = get_close_matches(name, _RECIPES, n=3) or sorted(_RECIPES)
    raise RecipeError(
        f"There is no recipe {name!r}. Did you mean {', '.join(near)}? `eiwork recipes` lists them all."
    )
