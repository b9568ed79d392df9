"""Errors and warnings of the package: each message says what happened, the probable cause, and what to try."""


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
