"""beartype behind jaxtyping's annotations, for as many calls of each test as can show something new.

A solver calls the same functions on the same shapes thousands of times, and checking all of them takes two thirds of
the time of such a test: jaxtyping is switched off for the rest of a test once `CALLS` checks were made in it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import jaxtyping
from beartype import beartype

CALLS = 2000
_made = [0]  # in this test


def begin() -> None:
    """Check from here on, again."""
    _made[0] = 0
    jaxtyping.config.update("jaxtyping_disable", False)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The type checker of the import hook: beartype, counted."""
    strict = beartype(function)

    @wraps(strict)
    def counted(*args: Any, **kwargs: Any) -> Any:
        _made[0] += 1
        if _made[0] == CALLS:
            jaxtyping.config.update("jaxtyping_disable", True)
        return strict(*args, **kwargs)

    return counted
