"""Errors of the package become one red line and an exit status; warnings become one yellow line."""

import importlib.util
import warnings
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from eiwork.errors import EiworkError, InputError, RecipeError

INTERRUPTED = 130  # the shell's status for a command that Ctrl-C ended


class AdviceGroup(TyperGroup):
    """Turns the package's errors into advice: status 2 for impossible input, 1 where files or a computation fail."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: _say(f"Warning: {message}", "yellow")
            try:
                return super().invoke(ctx)
            except EiworkError as error:
                _say(f"Error: {error}", "bold red")
                raise typer.Exit(2 if isinstance(error, InputError | RecipeError) else 1) from None


def need_extra(module: str, extra: str) -> None:
    """Raise InputError with the pip command when an optional library is not installed."""
    if importlib.util.find_spec(module) is None:
        remedy = f'Install it with: pip install "eiwork[{extra}]"'
        raise InputError(f"This command needs {module}, which is not installed. {remedy}")


def _say(text: str, style: str) -> None:
    Console(stderr=True).print(Text(text, style=style), soft_wrap=True)
