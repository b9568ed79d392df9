"""What each ingredient of the base recipe is worth: the same recipe, trained for less, with one thing changed."""

import re
from typing import Any

from eiwork.errors import InputError
from eiwork.training import Recipe
from eiwork.training.catalogue import CYCLE_WEIGHT, NULL_GAIN, TIGHT
from eiwork_study.problems import base_recipe

PREFIX = "ablation-"
STEPS = 200
"""Length of every ablation, that of REFERENCE too: differences are for trainings of this length."""
REFERENCE = "nothing"

_JFB: dict[str, Any] = {"model__gradient": {"kind": "jacobian_free"}}
_CYCLE: dict[str, Any] = {"loss__cycle_weight": CYCLE_WEIGHT}
_TIGHT: dict[str, Any] = {"contraction": TIGHT.model_dump()}
# Rotations of the same kind as the catalogue's, so that what is added to them is the only change.
_ROTATION: dict[str, Any] = {"kind": "rotation", "interpolation": "fourier"}
_ROBUST: dict[str, Any] = {"method": "robust_ei", "group": (_ROTATION,), "warm_start": True}
# Name -> overrides of the base recipe. A change that leaves a recipe as it is (the base has it already) is no task.
_ABLATIONS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "no-contraction-control": {"contraction": None},
    "contraction-target-0.98": {"contraction__target": 0.98},
    "contraction-of-the-whole-batch": {"contraction__samples": None},
    "no-shrinkage": {"model__iteration__shrinkage": 0.0},
    "shrinkage-0.2": {"model__iteration__shrinkage": 0.2},
    "last-weights": {"optimiser__ema": 0.0},
    "learning-rate-1e-3": {"optimiser__learning_rate": 1e-3},
    "learning-rate-8e-3": {"optimiser__learning_rate": 8e-3},
    "half-width": {"model__iteration__width": 16},
    "plain-network": {"model__iteration__network": "plain", "model__iteration__depth": 5},
    "four-layers": {"model__iteration__depth": 4},
    "ten-layers": {"model__iteration__depth": 10},
    "plain-gradient-steps": {
        "model__iteration": {"kind": "proximal_gradient", "network": "blocks", "depth": 6},
    },
    "penalty-0.05": {"model__iteration__penalty": 0.05},
    "no-unshuffle": {"model__iteration__unshuffle": 1},
    "loose-clip": {"optimiser__clip": 1.0},
    "scalars-like-weights": {"optimiser__scalar_rate": 1.0},
    "no-whitening": {"loss__whitening": None},
    "measurement-cycle": _CYCLE,
    "measurement-cycle-20": {"loss__cycle_weight": 20.0},
    "measurement-cycle-and-shifts": _CYCLE | {"loss__group": (_ROTATION, "shift")},
    "measurement-cycle-and-flips": _CYCLE | {"loss__group": (_ROTATION, "reflection")},
    "measurement-cycle-three-elements": _CYCLE | {"loss__n_elements": 3},
    "measurement-cycle-tight-contraction": _CYCLE | _TIGHT,
    "measurement-cycle-20-tight-contraction": _TIGHT | {"loss__cycle_weight": 20.0},
    "measurement-cycle-weight-1-tight-contraction": _CYCLE | _TIGHT | {"loss__ei_weight": 1.0},
    "measurement-cycle-weight-3-tight-contraction": _CYCLE | _TIGHT | {"loss__ei_weight": 3.0},
    "measurement-cycle-null-gain": _CYCLE | {"loss__null_gain": NULL_GAIN},
    "stopped-gradient": {"loss__stop_gradient": True},
    "weight-10": {"loss__ei_weight": 10.0},
    "weight-0.1": {"loss__ei_weight": 0.1},
    "three-elements": {"loss__n_elements": 3},
    "bilinear-rotations": {"loss__group": ({"kind": "rotation", "interpolation": "bilinear"},)},
    "bicubic-rotations": {"loss__group": ({"kind": "rotation", "interpolation": "bicubic"},)},
    "spline-rotations": {"loss__group": ({"kind": "rotation", "interpolation": "spline"},)},
    "quarter-turns-and-flips": {"loss__group": ("quarter_turns", "reflection")},
    "rotations-and-flips": {"loss__group": (_ROTATION, "reflection")},
    "shifts": {"loss__group": ("shift",)},
    "rotations-and-shifts": {"loss__group": (_ROTATION, "shift")},
    "loose-solves": {"model__tol": 1e-2, "model__gradient__tol": 0.1},
    "warm-starts": {"model__warm_start": {"budget_mib": 64.0}, "loss__warm_start": True},
    "cold-second-solves": {"loss__warm_start": False},
    "tolerance-schedule": {"model__tolerance_schedule": {"start": 0.5, "end": 0.1}},
    # Whether settings of its own help Jacobian-free backpropagation.
    "jfb": _JFB,
    "jfb-weight-0.01": _JFB | {"loss__ei_weight": 0.01},
    "jfb-weight-0.1": _JFB | {"loss__ei_weight": 0.1},
    "jfb-weight-10": _JFB | {"loss__ei_weight": 10.0},
    "jfb-light-contraction": _JFB | {"contraction__weight": 0.1},
    "jfb-scalars-like-weights": _JFB | {"optimiser__scalar_rate": 1.0},
    "jfb-learning-rate-1e-3": _JFB | {"optimiser__learning_rate": 1e-3},
    "jfb-learning-rate-4e-3": _JFB | {"optimiser__learning_rate": 4e-3},
    "jfb-measurement-cycle": _JFB | _CYCLE,
    # Whether settings of its own help robust EI.
    "robust": {"loss": _ROBUST},
    "robust-weight-0.1": {"loss": _ROBUST | {"ei_weight": 0.1}},
    "robust-weight-0.3": {"loss": _ROBUST | {"ei_weight": 0.3}},
    "robust-weight-3": {"loss": _ROBUST | {"ei_weight": 3.0}},
    "pretraining": {"pretraining": {"steps": 200, "sigma": (0.0, 0.1)}},
}


def ablations() -> tuple[str, ...]:
    """Names of the ablations."""
    return tuple(_ABLATIONS)


def in_words(name: str) -> str:
    """The name of an ablation as text: hyphens become spaces, but not those of numbers such as 8e-3."""
    return re.sub(r"(?<![0-9]e)-", " ", name)


def ablation_recipe(problem: str, name: str) -> Recipe:
    """The base recipe of a problem for STEPS steps with one thing changed, and without gradient probes.

    Raises InputError for an unknown or empty change. REFERENCE changes nothing else.
    """
    if name not in _ABLATIONS:
        raise InputError(f"There is no ablation {name!r}; choose from {', '.join(_ABLATIONS)}.")
    whole = base_recipe(problem)
    base = whole.with_overrides(steps=STEPS, gradient_probe_every=None)
    try:
        changed = base.with_overrides(**_ABLATIONS[name])
    except ValueError as error:
        raise InputError(f"Ablation {name!r} does not apply to {problem!r}: {error}") from None
    if changed == base and name != REFERENCE:
        raise InputError(f"Ablation {name!r} changes nothing: the base recipe of {problem!r} has it.")
    return changed.with_overrides(
        name=f"{problem}-{PREFIX}{name}",
        summary=f"{base.summary.split(',')[0]}, the base recipe for {STEPS} steps with one change: {name}.",
    )
