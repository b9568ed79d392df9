"""Does the identifiability score predict what equivariant imaging learns? Score against short trainings.

For each pair of a physics and a group at 32x32: the score of `eiwork.symmetry.identifiability`, and the gap closure
(EI - linear inverse) / (supervised - linear inverse) in mean PSNR over the test images of the same small unrolled
network, trained from measurements alone by EI with that group, and with ground truth.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from eiwork.losses import EI, Objective, Supervised
from eiwork.models.baselines import MinimumNormInverse
from eiwork.progress import track
from eiwork.symmetry import Identity, Reflection, Rotation, Shift, identifiability
from eiwork.training import Recipe, evaluate, fit, get_recipe
from eiwork.training.measurements import clean_images, measure, test_set

SIZE, STEPS, UNROLLED, N_TRAIN, N_SCORED = 32, 400, 5, 1000, 32
CLIP = 0.01  # every step is clipped: Adam on the direction of the gradient, which no group makes diverge
PHYSICS: dict[str, tuple[str, dict[str, Any]]] = {
    "CT, 6 views": ("ct", {"physics__n_views": 6}),
    "MRI, 4x": ("mri", {}),
    "inpainting, 30 % kept": ("inpainting", {"physics__keep": 0.3}),
}
GROUPS: dict[str, Any] = {
    "identity": Identity(),
    "shifts": Shift(),
    "rotations": Rotation("fourier"),
    "quarter turns": Rotation(multiples_of=90),
    "flips": Reflection(),
    "rotations by 30": Rotation("fourier", multiples_of=30),
    "shifts up to 1/8": Shift(0.25),
}


def recipe_of(physics: str, seed: int = 0) -> Recipe:
    """The catalogue's unrolled recipe at the size of this comparison."""
    prefix, changes = PHYSICS[physics]
    sizes = {"data__image_size": SIZE, "data__n": N_TRAIN, "model__steps": UNROLLED}
    return get_recipe(f"{prefix}-ei-unrolled").with_overrides(**sizes, seed=seed, **changes)


def psnr_of(recipe: Recipe, loss: Objective, steps: int = STEPS) -> float:
    """Mean PSNR of a training on the test images; constant in everything but the loss."""
    physics = recipe.build_physics()
    x, test = clean_images(recipe), test_set(recipe, physics)
    y, optimiser = measure(x, physics, recipe.seed), recipe.optimiser
    run = fit(
        recipe.build_model(),
        physics,
        y,
        loss,
        x=x if loss.needs_x else None,
        steps=steps,
        batch_size=optimiser.batch_size,
        learning_rate=optimiser.learning_rate,
        warmup=0,
        clip=CLIP,
        ema=0.0,
        scalar_rate=1.0,
        seed=recipe.seed,
        device="cpu",
        progress=False,
    )
    return evaluate({"it": run.model}, physics, test.y, test.x).summary["it"]["psnr"]


def row_of(physics_name: str, group: str, seeds: Sequence[int], steps: int, supervised: list[float]) -> dict[str, Any]:
    """Score and gap closure of a pair."""
    recipe = recipe_of(physics_name)
    physics = recipe.build_physics()
    found = identifiability(physics, GROUPS[group], clean_images(recipe)[:N_SCORED])
    test = test_set(recipe, physics)
    linear = evaluate({"it": MinimumNormInverse()}, physics, test.y, test.x).summary["it"]["psnr"]
    loss = EI(GROUPS[group], weight=recipe.loss.weight)
    ei = [psnr_of(recipe_of(physics_name, seed), loss, steps) for seed in seeds]
    closure = [(e - linear) / (s - linear) for e, s in zip(ei, supervised, strict=True)]
    return {
        "physics": physics_name,
        "group": group,
        "score": found.score,
        "standard_error": found.standard_error,
        "lost_share": found.lost_share,
        "linear_psnr": linear,
        "ei_psnr": ei,
        "supervised_psnr": supervised,
        "gap_closure": float(np.mean(closure)),
    }


def rank_correlation(x: Sequence[float], y: Sequence[float], repeats: int = 5000) -> dict[str, float]:
    """Spearman's coefficient with a 95 % percentile bootstrap interval over the pairs."""
    rng = np.random.default_rng(0)
    a, b = np.asarray(x), np.asarray(y)
    values: list[float] = []
    while len(values) < repeats:
        chosen = rng.integers(len(a), size=len(a))
        if len(np.unique(a[chosen])) > 1:
            values.append(float(spearmanr(a[chosen], b[chosen]).statistic))
    low, high = np.percentile(values, [2.5, 97.5])
    return {"spearman": float(spearmanr(a, b).statistic), "low": float(low), "high": float(high)}


def run(
    physics: Sequence[str] = tuple(PHYSICS),
    groups: Sequence[str] = tuple(GROUPS),
    seeds: Sequence[int] = (0,),
    steps: int = STEPS,
) -> dict[str, Any]:
    """Every pair, and how well the scores rank the closures. Required: a rank correlation above zero."""
    rows = []
    for name in track(physics, "physics"):
        supervised = [psnr_of(recipe_of(name, seed), Supervised(), steps) for seed in seeds]
        rows += [row_of(name, group, seeds, steps, supervised) for group in track(groups, "groups")]
    ranked = rank_correlation([row["score"] for row in rows], [row["gap_closure"] for row in rows])
    return {
        "title": f"Identifiability against gap closure, {SIZE}x{SIZE}, {UNROLLED} unrolled steps",
        "recipes": {name: recipe_of(name).model_dump(mode="json") for name in physics},
        "settings": {"steps": steps, "n_train": N_TRAIN, "seeds": list(seeds), "n_scored_images": N_SCORED},
        "rows": rows,
        "rank_correlation": ranked,
        "requirement": {"passed": ranked["low"] > 0},
    }
