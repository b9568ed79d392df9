"""Errors and warnings of the package: each message says what happened, the probable cause, and what to try."""

from collections.abc import Iterable
from difflib import get_close_matches

_FEW = 8


class EiworkError(Exception):
    """Base class of every error that this package raises on purpose."""


class InputError(EiworkError, ValueError):
    """An argument is unusable (wrong shape, wrong type, NaN, impossible geometry); the message names it."""


class DataFormatError(EiworkError, ValueError):
    """A data file is missing, corrupt, or not what its name says; the message names the file."""


class CheckpointError(EiworkError, RuntimeError):
    """A checkpoint cannot be written or read, or does not fit the model; the message names the file."""


class RecipeError(EiworkError, ValueError):
    """A training recipe is unknown or invalid; the message names the field and the allowed values."""


class ConvergenceError(EiworkError, RuntimeError):
    """A fixed-point or adjoint solve failed; `solution` holds the best finite iterate, or None."""

    def __init__(self, message: str, solution: object | None = None) -> None:
        super().__init__(message)
        self.solution = solution


class ConvergenceWarning(UserWarning):
    """A solve stopped before its tolerance; the message gives the residual and what to try."""


class InputWarning(UserWarning):
    """An argument is usable, but probably not what was meant; the message says what is likely and how to write it."""


def listed(names: Iterable[object]) -> str:
    """Names for an error: up to eight, or the first three and how many more there are."""
    every = [str(name) for name in names]
    more = f" and {len(every) - 3} more" if len(every) > _FEW else ""
    return (", ".join(every[:3] if more else every) or "none") + more


def choices(name: object, known: Iterable[object], where: str) -> str:
    """What stands in place of an unknown name: all of up to eight, else the nearest three and `where` all are told."""
    every = [str(one) for one in known]
    if len(every) <= _FEW:
        return f"choose from {listed(every)}"
    near = get_close_matches(str(name), every, n=3, cutoff=0)
    return f"the nearest of {len(every)} are {', '.join(near)}; {where} has them all"
