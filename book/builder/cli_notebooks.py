"""`python -m book.builder notebooks`: execute the lessons from top to bottom."""

from pathlib import Path
from typing import Annotated

import typer

from eiwork.cli.advice import need_extra
from eiwork.cli.locations import executed_folder, lessons
from eiwork.cli.reporting import console


def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAMES", help="Lessons by number or name, for example 04; all by default."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast/--full", help="Short trainings and small sizes, or those of the text.")
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", file_okay=False, help="Where executed copies go; build/notebooks by default."),
    ] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="How many lessons run at the same time.")] = 1,
) -> None:
    """Execute lessons; the executed copies, with their outputs, go to a build folder and the lessons stay as they are.

    A copy that is up to date with its lesson, the code and the libraries is kept. When a lesson fails, the others
    are still run; its cells up to the failure are kept for a look.
    """
    need_extra("papermill", "lab")
    from book.builder import RunReport, run_notebooks

    chosen = lessons(names or [])
    folder = executed_folder() if output is None else output
    terminal = console()

    def show(report: RunReport) -> None:
        took = "up to date" if report.skipped else f"{report.seconds:.0f} s"
        terminal.print(f"{report.notebook.stem}: {took}", highlight=False)

    terminal.print(f"Running {len(chosen)} lesson(s) in {'fast' if fast else 'full'} mode", highlight=False)
    run_notebooks(
        chosen,
        folder,
        mode="fast" if fast else "full",
        jobs=jobs,
        on_report=show,
        show_progress=jobs == 1 and terminal.is_terminal,
    )
    terminal.print(f"Executed lessons: {folder}", soft_wrap=True, highlight=False)
