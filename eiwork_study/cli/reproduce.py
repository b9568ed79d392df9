"""`eiwork-study reproduce`: the study, as tasks that can be interrupted and continued."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from eiwork.cli.advice import kept, need_extra
from eiwork.cli.locations import project_folder
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json
from eiwork.errors import DataFormatError, InputError
from eiwork.progress import bar

if TYPE_CHECKING:
    from eiwork_study.grid import Task
    from eiwork_study.schedule import Progress
    from eiwork_study.task import Places

_NAMES = "Repeat, or separate by commas; "


def reproduce(
    quick: Annotated[
        bool, typer.Option("--quick", help="Small images, few steps, one seed: under 15 minutes, a look only.")
    ] = False,
    problems: Annotated[
        list[str] | None, typer.Option("--problems", metavar="NAME", help=f"{_NAMES}ct, mri, inpainting by default.")
    ] = None,
    methods: Annotated[
        list[str] | None, typer.Option("--methods", metavar="NAME", help=f"{_NAMES}the core table by default.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="NAME", help="bodies: trainings begin with random images.")
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option("--variants", metavar="NAME", help=f"{_NAMES}'all' stands for every variant of the methods."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", min=1, help="Seeds 0 ... N-1; 3 by default.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask cluster that sees the same files, e.g. tcp://host:8786."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Processes on this machine, one thread each.")] = 2,
    results: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Where results go; results/ of the project by default."),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Trainings under way; build/study by default.")
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Keep every trained model here, PROBLEM/METHOD-SEED."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Do runs again whose result is of another recipe, or damaged.")
    ] = False,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Train nothing: tables of the results there are.")
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Run the study, or what is left of it, and build its tables.

    Every run (a method on a problem with a seed) is one result file. Ctrl-C stops after the steps at hand, and the same
    command continues; runs that are done are not done again. A run that fails is reported at the end (exit status 1)
    and does not stop the others.
    """
    from eiwork_study.grid import QUICK, QUICK_METHODS, QUICK_NOTE, grid
    from eiwork_study.methods import CLASSICAL, CORE_METHODS
    from eiwork_study.problems import CORE_PROBLEMS
    from eiwork_study.tables import write_report
    from eiwork_study.task import Places, collect

    check_json_path(json_path)
    usual = QUICK_METHODS if quick else (*CORE_METHODS, *(() if start or variants else CLASSICAL))
    tasks = grid(
        _names(problems) or CORE_PROBLEMS,
        _names(methods) or usual,
        range(seeds or (1 if quick else 3)),
        start=start,
        variants=_names(variants) or (None,),
        overrides=QUICK if quick else None,
    )
    places = Places(
        results=results or _folder("build/study/quick" if quick else "results"),
        work=work or _folder("build/study/work"),
        models=models,
    )
    terminal, note = console(), QUICK_NOTE if quick else ""
    if quick:
        terminal.print(note, style="yellow", soft_wrap=True)
    failed = {} if tables_only else _run(tasks, places, scheduler, workers, replace, terminal)
    study, wrong = collect(tasks, places.results)
    if not study:
        if failed:
            _tell_failures(failed, terminal)
            raise typer.Exit(1)
        nothing = f"{places.results} holds no result of these runs: leave out --tables-only to make them."
        raise DataFormatError(next(iter(wrong), nothing))
    tables = write_report(study, places.results, note)
    for table in tables:
        terminal.print(str(table), soft_wrap=True, highlight=False, markup=False)
    terminal.print(f"{len(study)} of {len(tasks)} runs. Tables: {places.results}", soft_wrap=True, highlight=False)
    figures = {"note": note, "runs": len(study), "tasks": len(tasks), "failed": failed}
    write_json(json_path, {**figures, "tables": {table.title: table.rows for table in tables}})
    unusable = {} if failed else {f"result {n + 1}": text for n, text in enumerate(wrong)}
    _tell_failures(failed or unusable, terminal)
    if failed or unusable:
        raise typer.Exit(1)


def _names(given: Sequence[str] | None) -> list[str]:
    return [name.strip() for text in given or () for name in text.split(",") if name.strip()]


def _folder(name: str) -> Path:
    """A folder of the project, or of the current folder where there is no project."""
    try:
        return project_folder() / name
    except InputError:
        return Path(name)


def _run(
    tasks: "list[Task]", places: "Places", scheduler: str | None, workers: int, replace: bool, terminal: Console
) -> dict[str, str]:
    """Do the tasks that have no result yet; the errors of those that failed, by name."""
    from eiwork_study.schedule import run_tasks
    from eiwork_study.task import existing_result

    left, failed = [], {}
    for task in tasks:
        try:
            if existing_result(task, places.results) is None:
                left.append(task)
        except DataFormatError as error:
            if replace:
                left.append(task)
            else:
                failed[task.name] = str(error)
    terminal.print(
        f"{len(tasks)} runs: {len(tasks) - len(left) - len(failed)} done, {len(left)} to do.", highlight=False
    )
    if not left:
        return failed
    need_extra("distributed", "study")
    with kept("The same command continues where it stopped."), bar(sum(t.steps for t in left), "steps") as shown:

        def follow(progress: "Progress") -> None:
            runs = f"{len(progress.done)}/{progress.n_tasks} runs"
            shown.set_postfix_str(runs + f", {len(progress.failed)} failed" * bool(progress.failed), refresh=False)
            shown.update(progress.steps_done - shown.n)

        progress = run_tasks(
            left, places, scheduler=scheduler, n_workers=workers, replace_others=replace, on_progress=follow
        )
    return failed | progress.failed


def _tell_failures(failed: dict[str, str], terminal: Console) -> None:
    for name, error in failed.items():
        terminal.print(f"Failed: {name}: {error}", style="bold red", soft_wrap=True, highlight=False, markup=False)
