"""The error of this subpackage."""

from eiwork.errors import EiworkError


class PublishingError(EiworkError, RuntimeError):
    """A lesson failed, an executed copy is missing or stale, or the book cannot be built; the message names it."""
