"""The problems of the study: each is the base recipe of the catalogue that trains its DEQ by equivariant imaging."""

from eiwork.errors import InputError
from eiwork.training import Recipe, recipes

_BASE = "-ei-deq"
CORE_PROBLEMS = ("ct", "mri", "inpainting")


def problems() -> dict[str, Recipe]:
    """Problem -> base recipe: every recipe of the catalogue that is called PROBLEM-ei-deq."""
    return {name.removesuffix(_BASE): recipe for name, recipe in recipes().items() if name.endswith(_BASE)}


def base_recipe(problem: str) -> Recipe:
    """The base recipe of a problem; raises InputError with the problems that there are."""
    known = problems()
    if problem not in known:
        raise InputError(f"There is no problem {problem!r}; choose from {', '.join(known)}.")
    return known[problem]
