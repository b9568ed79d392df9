"""`eiwork reproduce`: the study, as tasks that can be interrupted and continued."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eiwork.cli.advice import INTERRUPTED, need_extra
from eiwork.cli.locations import project_folder
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json
from eiwork.errors import DataFormatError, InputError

if TYPE_CHECKING:
    import eiwork_study as study


def reproduce(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Small images, few steps, one seed: under 15 minutes, a look only."),
    ] = False,
    problems: Annotated[
        list[str] | None,
        typer.Option(
            "--problems",
            metavar="NAME",
            help="Repeat, or separate by commas; ct, mri, inpainting by default.",
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--methods",
            metavar="NAME",
            help="Repeat, or separate by commas; 'ablation' stands for all ablations. The core table by default.",
        ),
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
        Path | None,
        typer.Option(
            metavar="DIR", file_okay=False, help="Trainings under way; build/study of the project by default."
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Keep the checkpoint of every training here, PROBLEM/METHOD-SEED.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Do runs again whose result is of another recipe, or damaged.")
    ] = False,
    tables_only: Annotated[
        bool,
        typer.Option("--tables-only", help="Train nothing: tables and figures of the results there are."),
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Run the study, or what is left of it, and build its tables and figures.

    Every run (a method on a problem with a seed) is one result file. Ctrl-C stops after the steps at hand, and the same
    command continues; runs that are done are not done again. A run that fails is reported at the end (exit status 1)
    and does not stop the others.
    """
    import eiwork_study as study
    from eiwork_study import quick as small

    check_json_path(json_path)
    asked = _names(problems) or (small.PROBLEMS if quick else study.CORE_PROBLEMS)
    usual = small.METHODS if quick else (*study.CORE_METHODS, *study.CLASSICAL)
    tasks = study.grid(
        asked,
        _names(methods) or [m for m in usual if any(study.applies(problem, m) for problem in asked)],
        range(seeds or (small.SEEDS if quick else 3)),
        small.OVERRIDES if quick else None,
    )
    places = study.Places(
        results=results or _folder("build/study/quick" if quick else "results"),
        work=work or _folder("build/study/work"),
        models=models,
    )
    terminal, note = console(), small.describe() if quick else ""
    if quick:
        terminal.print(note, style="yellow", soft_wrap=True)
    failed = {} if tables_only else _run(tasks, places, scheduler, workers, replace, terminal)
    collection = study.collect(tasks, places.results)
    if not collection.runs:
        if failed:
            _tell_failures(failed, terminal)
            raise typer.Exit(1)
        raise DataFormatError(_nothing(places.results, collection.problems_found))
    rows = study.write_report(collection, places.results, note)
    for table in study.rich_tables(rows, terminal.width):
        terminal.print(table)
    terminal.print(
        f"{len(collection.runs)} of {len(tasks)} runs. Tables and figures: {places.results}",
        soft_wrap=True,
        highlight=False,
    )
    figures = {"note": note, "runs": len(collection.runs), "tasks": len(tasks), "failed": failed}
    write_json(json_path, {**figures, "rows": study.tables.as_data(rows)})
    unusable = {} if failed else {f"result {n + 1}": text for n, text in enumerate(collection.problems_found)}
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
    tasks: "list[study.Task]",
    places: "study.Places",
    scheduler: str | None,
    workers: int,
    replace: bool,
    terminal: Console,
) -> dict[str, str]:
    """Do the tasks that have no result yet; the errors of those that failed, by name."""
    import eiwork_study as study

    left, failed = [], {}
    for task in tasks:
        try:
            if study.existing_result(task, places.results) is None:
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
    columns = (
        TextColumn("{task.fields[runs]}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal, speed_estimate_period=600) as bar:
        steps = sum(task.steps for task in left)
        shown = bar.add_task("study", total=steps, runs=f"0/{len(left)} runs")

        def follow(progress: "study.Progress") -> None:
            runs = f"{len(progress.done)}/{progress.n_tasks} runs"
            if progress.failed:
                runs += f", {len(progress.failed)} failed"
            bar.update(shown, completed=progress.steps_done, runs=runs)

        try:
            progress = study.run_tasks(
                left,
                places,
                scheduler=scheduler,
                n_workers=workers,
                replace_others=replace,
                on_progress=follow,
            )
        except KeyboardInterrupt:
            bar.stop()
            terminal.print("Interrupted. The same command continues where it stopped.", soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from None
    return failed | progress.failed


def _tell_failures(failed: dict[str, str], terminal: Console) -> None:
    for name, error in failed.items():
        terminal.print(f"Failed: {name}: {error}", style="bold red", soft_wrap=True, highlight=False, markup=False)


def _nothing(results: Path, found: tuple[str, ...]) -> str:
    return found[0] if found else f"{results} holds no result of these runs: leave out --tables-only to make them."
