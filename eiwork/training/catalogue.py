"""The named recipes; every setting in them is ours."""

from typing import Any

from eiwork.errors import RecipeError, choices
from eiwork.training.recipe import Recipe

# Loose adjoint solves: an inexact gradient keeps the step affordable near the edge of contraction.
_GRADIENT = {"kind": "Implicit", "solver": {"kind": "GMRES", "tol": 0.1, "max_iter": 20}}
_SOLVER = {"kind": "Anderson", "tol": 1e-3, "max_iter": 60, "memory": 10}
# Orthogonal, exact and the fastest; its periodicity does not matter where slices lie in air.
ROTATIONS = ({"kind": "Rotation", "interpolation": "fourier"},)
TIGHT = {"weight": 1.0, "target": 0.9, "samples": 2}
"""Contraction control for losses that pull the iteration out of a loose one; ours."""
CYCLE = 5.0
"""Weight of the return to the measurement, in units of the EI term's; ours."""


def _denoiser(channels: int) -> dict[str, Any]:
    return {"kind": "ResidualBlockCNN", "channels": channels, "blocks": 2}


def _deq(iteration: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "DEQ", "iteration": iteration, "solver": _SOLVER, "gradient": _GRADIENT}


def _splitting(channels: int, penalty: float) -> dict[str, Any]:
    """An exact data step: plain gradient steps need hundreds of evaluations where singular values are small."""
    return _deq({"kind": "HalfQuadraticSplitting", "denoiser": _denoiser(channels), "penalty": penalty})


def _gradient_steps(channels: int, step_size: float = 1.0) -> dict[str, Any]:
    step = {"kind": "GradientStep", "step_size": step_size}
    return _deq({"kind": "ProximalGradient", "denoiser": _denoiser(channels), "data_step": step})


def _ei(group: Any = ROTATIONS, *, weight: float = 1.0, whitening: float | None = None) -> dict[str, Any]:
    return {
        "kind": "EI",
        "group": group,
        "fit": {"kind": "Fit", "whitening": whitening},
        "weight": weight,
        "noisy": True,
    }


def _base(problem: str, summary: str, **parts: Any) -> Recipe:
    # Clipped at a few times the usual norm: one steep batch must not throw the map out of contraction.
    optimiser = {"learning_rate": 2e-3, "clip": 0.03} | parts.pop("optimiser", {})
    values = {"name": f"{problem}-ei-deq", "summary": summary, "contraction": TIGHT, "optimiser": optimiser}
    return Recipe.parse(values | parts)


_CT = _base(
    "ct",
    "Sparse-view CT, a DEQ trained from sinograms of 8 views alone by equivariant imaging, implicit gradients.",
    data={"name": "ct"},
    physics={"kind": "tomography", "n_views": 8, "noise_sigma": 0.005},
    model=_splitting(1, 0.3),
    loss=_ei(weight=0.3, whitening=0.02),
    contraction={"weight": 0.3, "target": 0.95, "samples": 2},
    optimiser={"learning_rate": 4e-3},
)
_CT_NOISY = _CT.with_overrides(
    name="ct-noisy-ei-deq",
    summary="Sparse-view CT with much noise, a DEQ trained from sinograms of 16 views alone by EI.",
    physics={"kind": "tomography", "n_views": 16, "noise_sigma": 0.02},
    model__iteration__penalty=0.5,
    loss__fit__whitening=0.1,
    loss__weight=0.05,
)
_COLUMNS = {"kind": "mri", "center_fraction": 0.08, "seed": 0}
_MRI = _base(
    "mri",
    "4x accelerated MRI, a DEQ trained from the k-space of one mask alone by EI, implicit gradients.",
    data={"name": "mri"},
    physics=_COLUMNS | {"acceleration": 4.0, "noise_sigma": 0.005},
    model=_gradient_steps(2),
    loss=_ei(),
)
_MRI_NOISY = _MRI.with_overrides(
    name="mri-noisy-ei-deq",
    summary="4x accelerated MRI with much noise, a DEQ trained from the k-space of one mask alone by EI.",
    physics__noise_sigma=0.05,
    model__iteration__data_step__step_size=0.7,
)
_MRI_COILS = _MRI.with_overrides(
    name="mri-coils-ei-deq",
    summary="6x accelerated MRI with four coils, a DEQ trained from the k-space of one mask alone by EI.",
    physics=_COLUMNS | {"acceleration": 6.0, "noise_sigma": 0.005, "n_coils": 4},
    # With coils A is no projection: small singular values ask for an exact data step and a whitened loss, as in CT.
    model=_splitting(2, 0.3),
    loss__fit__whitening=0.02,
)
_INPAINTING = _base(
    "inpainting",
    "Half the pixels missing, one mask, a DEQ trained from the measured pixels alone by EI.",
    data={"name": "natural"},
    physics={"kind": "inpainting", "keep": 0.5, "seed": 0, "noise_sigma": 0.01},
    model=_gradient_steps(1),
    loss=_ei(({"kind": "Shift"}, {"kind": "Rotation", "multiples_of": 90.0}, {"kind": "Reflection"})),
    # Without the rescue one seed of three ran away, in supervised training and with the cycle, within sixty steps.
    contraction=TIGHT | {"rescue": True},
)


def _variants(base: Recipe) -> list[Recipe]:
    prefix, title = base.name.removesuffix("-ei-deq"), base.summary.split(",")[0]
    # With the truth as its target the operator expands more readily than EI lets it.
    tight = TIGHT | {"rescue": base.contraction is not None and base.contraction.rescue}
    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "supervised-deq": (
            "the same DEQ trained with ground truth: the oracle",
            {"loss": {"kind": "Supervised"}, "contraction": tight},
        ),
        "mc-deq": (
            "the same DEQ trained by measurement consistency alone: what EI adds is missing",
            {"loss": base.loss.fit.model_dump()},
        ),
        "ei-cycle-deq": (
            "the same DEQ and EI loss with a return of the second image to the measurement (ours)",
            {"loss__cycle": CYCLE},
        ),
        "ei-deq-jfb": (
            "the same DEQ and EI loss with Jacobian-free backpropagation",
            {"model__gradient": {"kind": "JacobianFree"}},
        ),
        "ei-unrolled": (
            "the same iteration unrolled for 8 steps and trained by EI",
            {"model": {"kind": "UnrolledNetwork", "iteration": base.model.iteration.model_dump()}, "contraction": None},
        ),
    }
    made = [
        base.with_overrides(name=f"{prefix}-{ending}", summary=f"{title}, {what}.", **change)
        for ending, (what, change) in changes.items()
    ]
    return [base, *made]


_BASES = (_CT, _MRI, _INPAINTING, _CT_NOISY, _MRI_NOISY, _MRI_COILS)
_RECIPES = {recipe.name: recipe for base in _BASES for recipe in _variants(base)}


def recipes() -> dict[str, Recipe]:
    """All named recipes, by name."""
    return dict(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name; raises RecipeError with the nearest names for an unknown one."""
    if name in _RECIPES:
        return _RECIPES[name]
    raise RecipeError(f"There is no recipe {name!r}: {choices(name, _RECIPES, '`eiwork recipes`')}.")
