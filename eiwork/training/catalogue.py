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
    Group,
    HalfQuadraticSplittingSettings,
    ImplicitSettings,
    InpaintingSettings,
    IterationSettings,
    JacobianFreeSettings,
    MRISettings,
    OptimiserSettings,
    ProximalGradientSettings,
    RotationSettings,
    SupervisedSettings,
    TomographySettings,
    UNetSettings,
    UnrolledSettings,
)

# Loose adjoint solves: an inexact gradient keeps the step affordable near the edge of contraction.
_GRADIENT = ImplicitSettings(tol=0.1, max_iter=20)
# Clipped at a few times the usual norm: one steep batch must not throw the map out of contraction.
_OPTIMISER = OptimiserSettings(warmup=50, clip=0.03, scalar_rate=5.0)
# Orthogonal, exact and the fastest; its periodicity does not matter where slices lie in air.
_ROTATIONS: Group = (RotationSettings(interpolation="fourier"),)
TIGHT = ContractionSettings(weight=1.0, target=0.9, samples=2)
"""Contraction control for losses that pull the iteration out of a loose one; ours."""
_STEPS, _PROBE_EVERY = 500, 100
CYCLE_WEIGHT = 5.0
"""Weight of the return to the measurement, in units of the EI term's; ours."""
NULL_GAIN = 1.3
"""Gain of what the measurement does not tell, where a recipe has one: restores its energy on CT; ours."""


def _deq(iteration: IterationSettings) -> DEQSettings:
    return DEQSettings(iteration=iteration, memory=10, gradient=_GRADIENT)


_PROXIMAL_GRADIENT = ProximalGradientSettings(network="blocks", depth=6)
_CT = Recipe(
    name="ct-ei-deq",
    summary="Sparse-view CT, a DEQ trained from sinograms of 8 views alone by equivariant imaging, implicit gradients.",
    data=DataSettings(name="ct"),
    physics=TomographySettings(n_views=8, noise_sigma=0.005),
    # An exact data step: plain gradient steps need hundreds of evaluations in tomography.
    model=_deq(HalfQuadraticSplittingSettings(network="blocks", depth=6, penalty=0.3)),
    loss=EquivariantSettings(group=_ROTATIONS, ei_weight=0.3, whitening=0.02, warm_start=True),
    contraction=ContractionSettings(weight=0.3, target=0.95, samples=2),
    optimiser=_OPTIMISER.model_copy(update={"learning_rate": 4e-3}),
    steps=_STEPS,
    gradient_probe_every=_PROBE_EVERY,
)
_CT_NOISY = _CT.with_overrides(
    name="ct-noisy-ei-deq",
    summary="Sparse-view CT with much noise, a DEQ trained from sinograms of 16 views alone by EI.",
    physics=TomographySettings(n_views=16, noise_sigma=0.02),
    model__iteration__penalty=0.5,
    loss__whitening=0.1,
    loss__ei_weight=0.05,
)
_MRI = Recipe(
    name="mri-ei-deq",
    summary="4x accelerated MRI, a DEQ trained from the k-space of one mask alone by EI, implicit gradients.",
    data=DataSettings(name="mri"),
    physics=MRISettings(acceleration=4, noise_sigma=0.005),
    model=_deq(_PROXIMAL_GRADIENT),
    loss=EquivariantSettings(group=_ROTATIONS, warm_start=True),
    contraction=TIGHT,
    optimiser=_OPTIMISER,
    steps=_STEPS,
    gradient_probe_every=_PROBE_EVERY,
)
_MRI_NOISY = _MRI.with_overrides(
    name="mri-noisy-ei-deq",
    summary="4x accelerated MRI with much noise, a DEQ trained from the k-space of one mask alone by EI.",
    physics__noise_sigma=0.05,
    model__iteration__data_step={"kind": "gradient", "step_size": 0.7},
)
_MRI_COILS = _MRI.with_overrides(
    name="mri-coils-ei-deq",
    summary="6x accelerated MRI with four coils, a DEQ trained from the k-space of one mask alone by EI.",
    physics=MRISettings(acceleration=6, noise_sigma=0.005, n_coils=4),
    # With coils A is no projection: small singular values ask for an exact data step and a whitened loss, as in CT.
    # By gradient steps and plain consistency the same network ended 1.3 (supervised) to 4.9 dB (EI) lower, one seed.
    model=_deq(HalfQuadraticSplittingSettings(network="blocks", depth=6, penalty=0.3)),
    loss__whitening=0.02,
)
_INPAINTING = Recipe(
    name="inpainting-ei-deq",
    summary="Half the pixels missing, one mask, a DEQ trained from the measured pixels alone by EI.",
    data=DataSettings(name="natural"),
    physics=InpaintingSettings(keep=0.5, noise_sigma=0.01),
    model=_deq(_PROXIMAL_GRADIENT),
    loss=EquivariantSettings(group=("shift", "quarter_turns", "reflection"), warm_start=True),
    # Without the rescue one seed of three ran away, in supervised training and with the cycle, within sixty steps.
    contraction=TIGHT.model_copy(update={"rescue": True}),
    optimiser=_OPTIMISER,
    steps=_STEPS,
    gradient_probe_every=_PROBE_EVERY,
)


def _variants(base: Recipe) -> list[Recipe]:
    assert isinstance(base.model, DEQSettings)
    assert isinstance(base.loss, EquivariantSettings)
    assert base.contraction is not None
    prefix, title = base.name.removesuffix("-ei-deq"), base.summary.split(",")[0]
    iteration = base.model.iteration
    return [
        base,
        base.with_overrides(
            name=f"{prefix}-supervised-deq",
            summary=f"{title}, the same DEQ trained with ground truth: the oracle.",
            loss=SupervisedSettings(),
            # With the truth as its target the operator expands more readily than EI lets it.
            contraction=TIGHT.model_copy(update={"rescue": base.contraction.rescue}),
            gradient_probe_every=None,
        ),
        base.with_overrides(
            name=f"{prefix}-mc-deq",
            summary=f"{title}, the same DEQ trained by measurement consistency alone: what EI adds is missing.",
            loss=ConsistencySettings(mc_weight=base.loss.mc_weight, whitening=base.loss.whitening),
            gradient_probe_every=None,
        ),
        base.with_overrides(
            name=f"{prefix}-ei-cycle-deq",
            summary=f"{title}, the same DEQ and EI loss with a return of the second image to the measurement (ours).",
            loss__cycle_weight=CYCLE_WEIGHT,
            gradient_probe_every=None,
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
            gradient_probe_every=None,
        ),
        base.with_overrides(
            name=f"{prefix}-ei-unet",
            summary=f"{title}, a U-Net on the minimum-norm inverse trained by EI.",
            model=UNetSettings(),
            loss__warm_start=False,
            contraction=None,
            gradient_probe_every=None,
            optimiser__scalar_rate=1.0,
        ),
    ]


_BASES = (_CT, _MRI, _INPAINTING, _CT_NOISY, _MRI_NOISY, _MRI_COILS)
_RECIPES = {recipe.name: recipe for base in _BASES for recipe in _variants(base)}


def recipes() -> dict[str, Recipe]:
    """All named recipes, by name."""
    return dict(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name; raises RecipeError with the nearest names for an unknown one."""
    if name in _RECIPES:
        return _RECIPES[name]
    near = get_close_matches(name, _RECIPES, n=3) or sorted(_RECIPES)
    raise RecipeError(f"There is no recipe {name!r}. Did you mean {', '.join(near)}? `eiwork recipes` lists them all.")
