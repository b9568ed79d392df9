"""Does the identifiability score predict what equivariant imaging learns? Score against short trainings.

    python benchmarks/identifiability.py --runs FOLDER

For each pair of a physics and a group at 32x32: the score of `eiwork.symmetry.identifiability`, and the gap closure
(EI - linear inverse) / (supervised - linear inverse) in mean PSNR over the test images of the same small unrolled
network, trained from measurements alone by EI with that group, and with ground truth. Settings are those of the
recipes `*-ei-unrolled` but for the size, the number of steps, the clipping and the group, without warm-up and average.
One JSON per training is kept in FOLDER; a training that has one, made with the same settings, is not repeated.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _machine import describe_machine
from deepinv.transform import Transform
from scipy.stats import spearmanr
from torch import nn

from eiwork.files import write_text_atomically
from eiwork.losses import WeightedLoss, build_loss
from eiwork.models.baselines import MinimumNormInverse
from eiwork.symmetry import Identity, Reflection, Rotation, Shift
from eiwork.symmetry.identifiability import identifiability
from eiwork.training import Recipe, build_model, build_physics, get_recipe
from eiwork.training.evaluation import evaluate_model, summarise
from eiwork.training.measurements import test_set, training_set
from eiwork.training.randomness import batch_indices, seeded

RESULT = Path(__file__).parent / "results" / "identifiability.json"
SIZE, STEPS, UNROLLED, N_TRAIN, N_SCORED = 32, 400, 5, 1000, 32
CLIP = 0.01  # every step is clipped: Adam on the direction of the gradient, which no group makes diverge
PHYSICS = {
    "CT, 6 views": ("ct", {"physics__n_views": 6}),
    "MRI, 4x": ("mri", {}),
    "inpainting, 30 % kept": ("inpainting", {"physics__keep": 0.3}),
}
GROUPS: dict[str, Transform] = {
    "identity": Identity(),
    "shifts": Shift(),
    "rotations": Rotation("fourier"),
    "quarter turns": Rotation(multiples_of=90),
    "flips": Reflection(),
    "rotations by 30": Rotation("fourier", multiples_of=30),
    "shifts up to 1/8": Shift(0.25),
}


@dataclass(frozen=True)
class Run:
    """One training: a physics, and a group or None for the supervised reference."""

    physics: str
    group: str | None
    seed: int

    @property
    def file_name(self) -> str:
        """Where its figures are kept."""
        words = f"{self.physics} {self.group or 'supervised'} {self.seed}"
        return "".join(c if c.isalnum() else "-" for c in words) + ".json"


def recipe_of(run: Run) -> Recipe:
    prefix, changes = PHYSICS[run.physics]
    recipe = get_recipe(f"{prefix}-ei-unrolled").with_overrides(
        data__image_size=SIZE,
        data__n_train=N_TRAIN,
        steps=STEPS,
        seed=run.seed,
        model__steps=UNROLLED,
        optimiser__clip=CLIP,
        **changes,
    )
    if run.group is None:
        return recipe.with_overrides(loss={"method": "supervised"})
    return recipe


def loss_of(run: Run, recipe: Recipe) -> WeightedLoss:
    if run.group is None:
        return build_loss("supervised")
    return build_loss("ei", GROUPS[run.group], mc_weight=recipe.loss.mc_weight, ei_weight=recipe.loss.ei_weight)


def trained(run: Run, recipe: Recipe) -> nn.Module:
    """The network after STEPS steps of Adam with the recipe's batch, cosine rate and clipping."""
    with seeded(run.seed, "weights"):
        model = build_model(recipe)
    physics = build_physics(recipe.physics, SIZE)
    images = training_set(recipe, physics)
    loss = loss_of(run, recipe)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.optimiser.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        batch = images[batch_indices(run.seed, step, len(images), recipe.optimiser.batch_size)]
        optimiser.zero_grad()
        with seeded(run.seed, "steps", step):
            total, _ = loss(x_net=model(batch.y, physics), y=batch.y, physics=physics, model=model, x=batch.x)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.optimiser.clip)
        if not math.isfinite(float(norm)):
            raise FloatingPointError(f"{run} diverged at step {step}")
        optimiser.step()
        schedule.step()
    return model


def train_and_measure(run: Run, folder: Path) -> dict[str, object]:
    place = folder / run.file_name
    recipe = recipe_of(run)
    settings = recipe.model_dump(mode="json")
    if place.exists():
        kept = json.loads(place.read_text())
        if kept["recipe"] == settings:
            return kept
        print(f"{place.name} was made with other settings: trained again", flush=True)
    start = time.perf_counter()
    model = trained(run, recipe)
    physics = build_physics(recipe.physics, SIZE)
    test = test_set(recipe, physics)
    row = {
        "physics": run.physics,
        "group": run.group,
        "seed": run.seed,
        "psnr": summarise(evaluate_model(model, test, physics))["psnr"],
        "linear_psnr": summarise(evaluate_model(MinimumNormInverse(), test, physics))["psnr"],
        "n_test": len(test),
        "data_hash": test.data_hash,
        "seconds": round(time.perf_counter() - start, 1),
        "recipe": settings,
    }
    write_text_atomically(place, json.dumps(row, indent=2) + "\n")
    print(f"{run.physics:24s} {run.group or 'supervised':18s} seed {run.seed}  {row['psnr']:.2f} dB", flush=True)
    return row


def score_of(physics_name: str, group: str) -> dict[str, object]:
    recipe = recipe_of(Run(physics_name, None, 0))
    physics = build_physics(recipe.physics, SIZE)
    images = training_set(recipe, physics).x[:N_SCORED]
    start = time.perf_counter()
    found = identifiability(physics, GROUPS[group], images)
    return {
        "physics": physics_name,
        "group": group,
        "score": found.score,
        "standard_error": found.standard_error,
        "lost_share": found.lost_share,
        "n_elements": found.n_elements,
        "seconds": round(time.perf_counter() - start, 2),
    }


def rank_correlation(x: list[float], y: list[float], repeats: int = 5000) -> dict[str, float]:
    """Spearman's coefficient with a 95 % percentile bootstrap interval over the pairs."""
    rng = np.random.default_rng(0)
    a, b = np.asarray(x), np.asarray(y)
    values = []
    while len(values) < repeats:
        chosen = rng.integers(len(a), size=len(a))
        if len(np.unique(a[chosen])) > 1:
            values.append(float(spearmanr(a[chosen], b[chosen]).statistic))
    low, high = np.percentile(values, [2.5, 97.5])
    return {"spearman": float(spearmanr(a, b).statistic), "low": float(low), "high": float(high)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the single trainings")
    parser.add_argument("--seeds", type=int, default=1, help="trainings per pair (default: 1)")
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="default: all")
    parser.add_argument("--threads", type=int, default=1, help="PyTorch threads (default: 1)")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the result is written")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    trainings: dict[tuple[str, str | None], list[dict[str, object]]] = {}
    for seed in range(arguments.seeds):
        for group in (None, *arguments.groups):
            for physics in PHYSICS:
                row = train_and_measure(Run(physics, group, seed), arguments.runs)
                trainings.setdefault((physics, group), []).append(row)
    rows = []
    for physics in PHYSICS:
        for group in arguments.groups:
            row = score_of(physics, group)
            linear = trainings[physics, group][0]["linear_psnr"]
            ei = [run["psnr"] for run in trainings[physics, group]]
            supervised = [run["psnr"] for run in trainings[physics, None]]
            closure = [(e - linear) / (s - linear) for e, s in zip(ei, supervised, strict=True)]
            row |= {
                "linear_psnr": linear,
                "ei_psnr": ei,
                "supervised_psnr": supervised,
                "gap_closure": sum(closure) / len(closure),
            }
            rows.append(row)
            print(
                f"{physics:24s} {group:18s} score {row['score']:.3f} +- {row['standard_error']:.3f}  "
                f"gap closure {row['gap_closure']:+.2f}"
            )
    scores, closures = [row["score"] for row in rows], [row["gap_closure"] for row in rows]
    result = {
        "benchmark": "identifiability",
        "image_size": SIZE,
        "network": f"the recipes' iteration unrolled for {UNROLLED} steps",
        "recipes": {name: trainings[name, arguments.groups[0]][0]["recipe"] for name in PHYSICS},
        "steps": STEPS,
        "n_train": N_TRAIN,
        "seeds": list(range(arguments.seeds)),
        "n_scored_images": N_SCORED,
        "machine": describe_machine("scipy", "deepinv"),
        "rows": rows,
        "rank_correlation": rank_correlation(scores, closures),
        "rank_correlation_within_physics": {
            physics: float(
                spearmanr(
                    [row["score"] for row in rows if row["physics"] == physics],
                    [row["gap_closure"] for row in rows if row["physics"] == physics],
                ).statistic
            )
            for physics in PHYSICS
        },
    }
    write_text_atomically(arguments.json, json.dumps(result, indent=2) + "\n")
    r = result["rank_correlation"]
    print(f"Spearman {r['spearman']:.2f} ({r['low']:.2f} to {r['high']:.2f}) over {len(rows)} pairs")


if __name__ == "__main__":
    main()
