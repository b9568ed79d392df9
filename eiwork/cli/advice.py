"""Errors of the package become one red line and an exit status; warnings and Ctrl-C become one yellow line."""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from eiwork import progress
from eiwork.errors import EiworkError, InputError, RecipeError

INTERRUPTED = 130  # the shell's status for a command that Ctrl-C ended


class AdviceGroup(TyperGroup):
    """Turns the package's errors into advice: status 2 for impossible input, 1 where files or a computation fail."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with warnings.catch_warnings(), progress.shown():
            warnings.showwarning = lambda message, *_, **__: _say(f"Warning: {message}", "yellow")
            try:
                return super().invoke(ctx)
            except EiworkError as error:
                _say(f"Error: {error}", "bold red")
                raise typer.Exit(2 if isinstance(error, InputError | RecipeError) else 1) from None
            except KeyboardInterrupt as stop:
                _say(f"Interrupted. {str(stop) or 'Nothing was written; the same command starts again.'}", "yellow")
                raise typer.Exit(INTERRUPTED) from None


@contextmanager
def kept(what: str) -> Iterator[None]:
    """Say of Ctrl-C in the block what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what) from None


def need_extra(module: str, extra: str) -> None:
    """Raise InputError with the pip command when an optional library is not installed."""
    if importlib.util.find_spec(module) is None:
        remedy = f'Install it with: pip install "eiwork[{extra}]"'
        raise InputError(f"This command needs {module}, which is not installed. {remedy}")


def _say(text: str, style: str) -> None:
    Console(stderr=True).print(Text(text, style=style), soft_wrap=True)
