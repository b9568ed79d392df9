"""The tasks of a study: problem x method x seed, from one start and in some variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eiwork.errors import InputError, listed
from eiwork.results import label_of
from eiwork.training import Recipe
from eiwork_study.methods import METHODS, VARIANTS, applies, method_of, method_recipe, variant_of
from eiwork_study.problems import base_recipe

QUICK: dict[str, Any] = {"data__image_size": 32, "data__n": 500, "steps": 200, "monitor_every": 50}
"""Overrides of a small version of the study, for a look in minutes."""
QUICK_METHODS = ("supervised", "ei", "ei-jfb", "mc", "inverse")
QUICK_NOTE = (
    "A quick run: 32x32 images, 200 training steps and 1 seed. It shows that everything works and roughly how the "
    "methods rank; its numbers are not those of the study."
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run; the recipe has its seed, and every other setting."""

    problem: str
    method: str
    start: str | None = None
    variant: str | None = None
    seed: int
    recipe: Recipe

    def __reduce__(self) -> tuple[Any, ...]:
        """Tasks travel to workers as plain values, which any version of the settings can check."""
        identity = (self.problem, self.method, self.start, self.variant, self.seed)
        return _task, (*identity, self.recipe.model_dump(mode="json"))

    @property
    def label(self) -> str:
        """METHOD[+VARIANT][@START]."""
        return label_of(self.method, self.start, self.variant)

    @property
    def name(self) -> str:
        """problem/label-seed, as its result file is called."""
        return f"{self.problem}/{self.label}-{self.seed}"

    @property
    def trained(self) -> bool:
        """Whether there is anything to train."""
        return METHODS[self.method].trained

    @property
    def steps(self) -> int:
        """Its length in optimiser steps, for the progress display; 1 without training."""
        return self.recipe.steps if self.trained else 1

    def result_path(self, results: Path) -> Path:
        """Where its result lies."""
        return results / "runs" / f"{self.name}.json"

    def before(self) -> "Task | None":
        """The training on random images whose model this one begins with; None from random weights."""
        if self.start is None:
            return None
        return task(self.problem, "supervised", self.seed, variant="bodies-alone")


def task(
    problem: str,
    method: str,
    seed: int,
    *,
    start: str | None = None,
    variant: str | None = None,
    overrides: dict[str, Any] | None = None,
) -> Task:
    """One task; overrides: fields of the recipe. Raises InputError where it does not apply."""
    recipe = method_recipe(problem, method, start=start, variant=variant, seed=seed)
    return Task(
        problem=problem,
        method=method,
        start=start,
        variant=variant,
        seed=seed,
        recipe=recipe.with_overrides(**(overrides or {})),
    )


def _task(problem: str, method: str, start: str | None, variant: str | None, seed: int, recipe: Any) -> Task:
    parsed = Recipe.parse(recipe)
    return Task(problem=problem, method=method, start=start, variant=variant, seed=seed, recipe=parsed)


def grid(
    problems: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    *,
    start: str | None = None,
    variants: Sequence[str | None] = (None,),
    overrides: dict[str, Any] | None = None,
) -> list[Task]:
    """Every task of problems x methods x variants x seeds, seeds outermost: stopped early, tables are whole.

    start: of all trainings. variants: names; None is the method's own way, "all" every variant there is. What does not
    apply to one of several problems or methods is left out there. A method without training runs with the first seed
    alone where there is no noise. Raises InputError for unknown names, what applies nowhere, or no seed.
    """
    if not seeds:
        raise InputError("A study needs at least one seed.")
    names = [name for v in variants for name in ([w.name for w in VARIANTS] if v == "all" else [v])]
    for problem in problems:
        base_recipe(problem)
    chosen = []
    for method in dict.fromkeys(methods):
        method_of(method)
        possible = [
            (p, v) for p in problems for v in dict.fromkeys(names) if applies(p, method, start=start, variant=v)
        ]
        if not possible and len(methods) == 1:
            # Raises with the reason.
            if names[0] is not None:
                variant_of(method, names[0])
            method_recipe(problems[0], method, start=start, variant=names[0])
        chosen += [(p, method, v) for p, v in possible]
    if not chosen:
        raise InputError(f"None of {listed(methods)} applies to {listed(problems)} with these options.")
    chosen.sort(key=lambda item: list(problems).index(item[0]))
    tasks = [
        task(problem, method, seed, start=start, variant=variant, overrides=overrides)
        for seed in dict.fromkeys(seeds)
        for problem, method, variant in dict.fromkeys(chosen)
    ]
    return [t for t in tasks if t.trained or t.recipe.physics.noise_sigma > 0 or t.seed == seeds[0]]
