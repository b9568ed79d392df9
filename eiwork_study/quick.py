"""A small version of the study, for a look in minutes."""

from typing import Any

PROBLEMS = ("ct", "mri", "inpainting")
METHODS = ("supervised", "ei", "ei-jfb", "mc", "inverse")
SEEDS = 1
OVERRIDES: dict[str, Any] = {"data__image_size": 32, "data__n_train": 500, "steps": 200, "monitor_every": 50}


def describe() -> str:
    """What is small about it, in one sentence."""
    size, steps = OVERRIDES["data__image_size"], OVERRIDES["steps"]
    return (
        f"A quick run: {size}x{size} images, {steps} training steps and {SEEDS} seed. It shows that everything "
        "works and roughly how the methods rank; its numbers are not those of the study."
    )
