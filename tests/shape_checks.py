"""beartype behind jaxtyping's annotations, for the first `CALLS` checks of each test: solvers repeat the same ones."""

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
