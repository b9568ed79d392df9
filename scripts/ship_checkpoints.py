"""Puts trained models of the study into the package, each with a card that says how good it is and how it came about.

    python scripts/ship_checkpoints.py ct/ei-0 mri/ei-cycle-0 [--models results/models] [--work build/study/work]

A model is found by problem/method-seed among those that `eiwork reproduce` kept, or else among its finished trainings;
its recipe must be the one that this version of eiwork has for it. The card's metrics are of all test images at a
tolerance of 1e-4; what it says of changed scans is of results/generalisation and results/guarded, where
`eiwork generalise` put it before.
"""

import argparse
import json
from pathlib import Path

import torch
from eiwork.training.build_loss import build_reconstructor

from eiwork import data
from eiwork.errors import CheckpointError
from eiwork.training import build_physics, load_checkpoint
from eiwork.training.evaluation import evaluate_model, linear_baselines, summarise
from eiwork.training.measurements import test_set
from eiwork.training.randomness import seeded
from eiwork_study import Places, grid
from eiwork_study.generalisation_results import convergence_of
from eiwork_study.task import TOLERANCE, certified

_FOLDER = Path(data.__file__).parent / "checkpoints"
_RESULTS = Path(__file__).resolve().parents[1] / "results"


def ship(name: str, places: Places) -> None:
    """Evaluate one model and write it; raises CheckpointError for a training that is missing or not at its end."""
    problem, _, rest = name.partition("/")
    method, _, seed = rest.rpartition("-")
    (task,) = grid([problem], [method], [int(seed)])
    assert places.models is not None
    kept = places.models / problem / rest
    folder = kept if kept.with_suffix(".json").exists() else places.training(task)
    checkpoint = load_checkpoint(folder)
    if checkpoint.recipe != task.recipe:
        raise CheckpointError(f"{folder} was trained with another recipe than {task.recipe.name} of this version.")
    if checkpoint.card["step"] != task.recipe.steps:
        raise CheckpointError(f"{folder} is at step {checkpoint.card['step']} of {task.recipe.steps}.")
    physics = build_physics(task.recipe.physics, task.recipe.data.image_size)
    images = test_set(task.recipe, physics)
    model = build_reconstructor(task.recipe, certified(checkpoint.model()))
    with seeded(task.seed, "evaluation"):
        values = evaluate_model(model, images, physics)
        linear = {
            label: summarise(evaluate_model(baseline, images, physics))
            for label, baseline in linear_baselines(task.recipe).items()
        }
    summary = summarise(values)
    if "nfe" in values:
        summary |= {"max_nfe": max(values["nfe"]), "tol": TOLERANCE}
    path = checkpoint.save(
        _FOLDER / task.recipe.name,
        metrics={"model": summary, **linear},
        changed_scans=convergence_of(checkpoint, _RESULTS),
    )
    print(path.name, json.dumps(summary))


def main() -> None:
    """Read the command line and ship what it names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="PROBLEM/METHOD-SEED")
    parser.add_argument("--models", type=Path, default=Path("results/models"), metavar="DIR")
    parser.add_argument("--work", type=Path, default=Path("build/study/work"), metavar="DIR")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names:
        ship(name, Places(results=options.work, work=options.work, models=options.models))


if __name__ == "__main__":
    main()
