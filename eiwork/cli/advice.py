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
    """A command group that turns the package's own errors into advice instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command: an `EiworkError` is printed in one red line, any other error is a bug and shows itself."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except EiworkError as error:
                _say(f"Error: {error}", "bold red")
                raise typer.Exit(exit_status(error)) from None


def exit_status(error: EiworkError) -> int:
    """2 where the command line itself asks for something impossible, 1 where files or a computation fail."""
    return 2 if isinstance(error, InputError | RecipeError) else 1


def need_extra(module: str, extra: str) -> None:
    """Raise InputError with the pip command when an optional library is not installed."""
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f'This command needs {module}, which is not installed. Install it with: pip install "eiwork[{extra}]"'
        )


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"Warning: {message}", "yellow")


def _say(text: str, style: str) -> None:
    Console(stderr=True).print(Text(text, style=style), soft_wrap=True)
