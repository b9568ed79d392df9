"""The tasks of a study: problem x method x seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eiwork.errors import InputError
from eiwork.training import Recipe
from eiwork_study.ablation import PREFIX, ablations
from eiwork_study.methods import applies, is_classical, method_recipe, methods
from eiwork_study.problems import base_recipe
from eiwork_study.variants import with_seed


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run: a method on a problem with a seed; the recipe has that seed, and every other setting."""

    problem: str
    method: str
    seed: int
    recipe: Recipe

    def __reduce__(self) -> tuple[Any, ...]:
        """Tasks travel to workers as plain values, which any version of the settings can check."""
        return _task, (self.problem, self.method, self.seed, self.recipe.model_dump(mode="json"))

    @property
    def name(self) -> str:
        """problem/method-seed, as its result file is called."""
        return f"{self.problem}/{self.method}-{self.seed}"

    @property
    def steps(self) -> int:
        """Its length in optimiser steps, for the progress display; 1 without training."""
        return 1 if is_classical(self.method) else self.recipe.steps

    def result_path(self, results: Path) -> Path:
        """Where its result lies."""
        return results / "runs" / self.problem / f"{self.method}-{self.seed}.json"


def _task(problem: str, method: str, seed: int, recipe: dict[str, Any]) -> Task:
    return Task(problem=problem, method=method, seed=seed, recipe=Recipe.parse(recipe))


def grid(
    problems: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    overrides: dict[str, Any] | None = None,
) -> list[Task]:
    """Every task of problems x methods x seeds, seeds outermost: an interrupted study has whole tables of few seeds.

    methods: names; "ablation" stands for all ablations that apply. A method that does not apply to one of several
    problems is left out there. A method without training runs with the first seed alone where there is no noise.
    overrides: fields of every recipe, e.g. {"steps": 100}; nested ones that a recipe does not have are left out.
    Raises InputError for unknown names, a method that applies to none of the problems, or no seed.
    """
    if not seeds:
        raise InputError("A study needs at least one seed.")
    chosen = expanded(methods)
    for problem in problems:
        base_recipe(problem)
    for method in chosen:
        if method in methods and not any(applies(problem, method) for problem in problems):
            # Raises with the reason.
            method_recipe(problems[0], method)
    tasks = []
    for seed in dict.fromkeys(seeds):
        for problem in dict.fromkeys(problems):
            for method in chosen:
                if not applies(problem, method):
                    continue
                recipe = _overridden(method_recipe(problem, method), overrides or {})
                if is_classical(method) and recipe.physics.noise_sigma == 0 and seed != seeds[0]:
                    continue
                seeded = with_seed(recipe, seed)
                tasks.append(Task(problem=problem, method=method, seed=seed, recipe=seeded))
    return tasks


def expanded(names: Sequence[str]) -> list[str]:
    """The names with "ablation" spelt out; raises InputError for an unknown one."""
    known = methods()
    found: dict[str, None] = {}
    for name in names:
        some = [f"{PREFIX}{ablation}" for ablation in ablations()] if name == "ablation" else [name]
        found |= dict.fromkeys(some)
    unknown = [name for name in found if name not in known]
    if unknown:
        raise InputError(f"There is no method {unknown[0]!r}; choose from {', '.join(known)}, or ablation.")
    return list(found)


def _overridden(recipe: Recipe, overrides: dict[str, Any]) -> Recipe:
    values = recipe.model_dump()
    known = {key: value for key, value in overrides.items() if _has(values, key.split("__"))}
    return recipe.with_overrides(**known)


def _has(values: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True
