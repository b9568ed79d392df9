"""The problems of the study: each has the catalogue's recipe that trains its DEQ by equivariant imaging as its base."""

from eiwork.errors import InputError, choices
from eiwork.training import Recipe, get_recipe

PROBLEMS = ("ct", "mri", "inpainting", "ct-noisy", "mri-noisy", "mri-coils")
CORE_PROBLEMS = PROBLEMS[:3]


def base_recipe(problem: str) -> Recipe:
    """The base recipe of a problem; raises InputError with the problems that there are."""
    if problem not in PROBLEMS:
        raise InputError(f"There is no problem {problem!r}: {choices(problem, PROBLEMS, 'PROBLEMS')}.")
    return get_recipe(f"{problem}-ei-deq")
