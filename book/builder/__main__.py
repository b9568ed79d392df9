"""`python -m book.builder notebooks | book`, in the checkout: execute the lessons, build the book from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from book import builder
from book.builder.execute import LESSONS, Mode
from eiwork.cli.advice import AdviceGroup, need_extra
from eiwork.cli.locations import project_folder
from eiwork.cli.reporting import console, say
from eiwork.errors import InputError, choices

app = typer.Typer(
    name="book.builder",
    cls=AdviceGroup,
    help="Execute the lessons and build the book from them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def notebooks(
    names: Annotated[list[str] | None, typer.Argument(help="By number or name, like 04; all by default.")] = None,
    fast: Annotated[bool, typer.Option("--fast/--full", help="Short trainings, or those of the text.")] = True,
    output: Annotated[Path | None, typer.Option(file_okay=False, help="Else build/notebooks.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many lessons run at the same time.")] = 1,
) -> None:
    """Execute lessons; the executed copies, with their outputs, go to a build folder and the lessons stay as they are.

    A copy that is up to date with its lesson, the code and the libraries is kept. When a lesson fails, the others
    are still run; its cells up to the failure are kept for a look.
    """
    need_extra("papermill", "lab")
    project = project_folder()
    chosen = chosen_lessons(project / "notebooks", names or [])
    folder = project / "build" / "notebooks" if output is None else output
    mode: Mode = "fast" if fast else "full"

    def show(report: builder.RunReport) -> None:
        say(f"{report.notebook.stem}: {'up to date' if report.skipped else f'{report.seconds:.0f} s'}")

    say(f"Running {len(chosen)} lesson(s) in {mode} mode")
    bar = jobs == 1 and console().is_terminal
    builder.run_notebooks(chosen, folder, mode=mode, jobs=jobs, on_report=show, show_progress=bar)
    say(f"Executed lessons: {folder}")


@app.command()
def book(output: Annotated[Path | None, typer.Option(file_okay=False, help="Else build/book.")] = None) -> None:
    """Build the book from the lessons that `python -m book.builder notebooks` executed.

    The result is a folder of web pages that any file server can show, without a network and without Python.
    """
    need_extra("jupyter_book", "book")
    project = project_folder()
    destination = project / "build" / "book" if output is None else output
    executed = project / "build" / "notebooks"
    index = builder.build_book(project / "book", executed, destination, notebooks=project / "notebooks")
    say(f"Book: {index}")


def chosen_lessons(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Return the lessons in reading order, all of them or the named ones.

    A name is a lesson's number (`04`), its name (with or without `.ipynb`), or the beginning of its name. Raises
    InputError for one that fits no lesson, or more than one.
    """
    every, chosen = sorted(folder.glob(LESSONS)), set[Path]()
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        exact = [path for path in every if path.stem == stem]
        fitting = exact or [path for path in every if stem and path.stem.startswith(stem)]
        if len(fitting) != 1:
            problem = "fits more than one lesson" if fitting else "is not a lesson"
            told = choices(name, [path.stem for path in fitting or every], "the folder notebooks")
            raise InputError(f"{name!r} {problem}: {told}.")
        chosen.update(fitting)
    return [path for path in every if path in chosen or not names]


if __name__ == "__main__":
    app(prog_name="python -m book.builder")
