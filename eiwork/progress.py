"""Progress and remaining time of long work, on the standard error: a bar in a terminal, else a line now and then."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

_EVERY_SECONDS = 30.0
_LINE = "{desc}: {n_fmt} of {total_fmt}, {elapsed} gone, {remaining} left{postfix}"
_SHOWN = ContextVar("shown", default=False)
Item = TypeVar("Item")


@contextmanager
def shown() -> Iterator[None]:
    """Inside the block `track` shows how far it is, as a command wants it; a lesson or a program does not."""
    token = _SHOWN.set(True)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def track(items: Iterable[Item], what: str) -> Iterator[Item]:
    """Go through items, with a bar of that title where progress is shown; items that are texts are named in it."""
    if not _SHOWN.get():
        yield from items
        return
    every = list(items)
    with bar(len(every), what) as shown_bar:
        for item in every:
            if isinstance(item, str):
                shown_bar.set_postfix_str(item, refresh=sys.stderr.isatty())
            yield item
            shown_bar.update(1)


def bar(total: int, what: str, *, done: int = 0, visible: bool = True) -> Any:
    """A bar of tqdm. Where there is neither a terminal nor a notebook, lines at most every half minute."""
    from tqdm.auto import tqdm  # here, so that `eiwork --help` need not wait for it

    options: dict[str, Any] = {} if "ipykernel" in sys.modules else {"leave": None}  # None: the outermost stays
    if options and not sys.stderr.isatty():
        options |= {"file": _Lines(), "bar_format": _LINE, "mininterval": _EVERY_SECONDS, "delay": _EVERY_SECONDS}
    return tqdm(total=total, initial=done, desc=what, disable=not visible, **options)


class _Lines:
    """What a bar writes, as lines of a log: no carriage returns, and nothing that only erases."""

    def write(self, text: str) -> None:
        if line := text.replace("\x1b[A", "").strip():
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()
