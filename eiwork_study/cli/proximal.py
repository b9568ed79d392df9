"""`eiwork proximal`: are trained operators proximal maps? Measurements beside controls."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from eiwork.cli.locations import project_folder
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json

_SHOWN = ("learnt", "learnt-null", "smallest-eigenvalue", "lipschitz", "path-noise", "beaten", "turns")


def proximal(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="ct, mri or inpainting.")],
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Checkpoints of `eiwork reproduce --models`; results/models of the project by default.",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Where reports go; results/proximal of the project by default.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Seeds 0 ... N-1 of each subject.")] = 3,
    subjects: Annotated[
        list[str] | None,
        typer.Option(
            "--subject",
            metavar="NAME",
            help="A method or control; may be repeated. All there are by default.",
        ),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            metavar="NAME",
            help="survey (the default), along, elsewhere, projection, likes; may be repeated.",
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Trainings of 'along'; build/proximal by default."),
    ] = None,
    light: Annotated[bool, typer.Option("--light", help="Fewer images, probes and loops: a look only.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Ask of the operator of every trained DEQ, and of controls whose answer is known, whether it is a proximal map.

    The survey measures asymmetry and spectrum of the Jacobian, constants on pairs, circulation, potential, the
    minimiser property and invariance. along: the same, lightly, at steps of a training. elsewhere: the recovered prior
    on other operators. projection: gradient fields in D's place. likes: the prior of corrupted images. Each is one file
    for a subject and seed; files that are there are not made again.
    """
    from eiwork.errors import DataFormatError
    from eiwork.files import ensure_output_folder
    from eiwork_study import proximal as analysis
    from eiwork_study.proximal.report import AnalysisSettings

    check_json_path(json_path)
    folder = results or project_folder() / "results" / "proximal"
    kept = models or project_folder() / "results" / "models"
    settings = AnalysisSettings.light() if light else None
    chosen = list(dict.fromkeys(parts or ["survey"]))
    wanted = [(part, *subject) for part in chosen for subject in analysis.wanted(problem, kept, seeds, subjects, part)]
    terminal = console()
    for number, (part, name, seed) in enumerate(wanted, 1):
        path = analysis.part_path(folder, problem, part, name, seed)
        if path.exists():
            continue
        terminal.print(f"{number} of {len(wanted)}: {problem}/{part}/{name}-{seed}", highlight=False)
        ensure_output_folder(path.parent, DataFormatError)
        made = analysis.make_part(
            part,
            problem,
            name,
            seed,
            models=kept,
            work=work or project_folder() / "build" / "proximal",
            settings=settings,
        )
        analysis.save_report(path, made)
    reports = analysis.load_reports(folder / problem / "survey")
    rows = analysis.proximal_rows(reports)
    table = Table("subject", *(analysis.STATISTICS[name].title for name in _SHOWN), title=problem)
    for own in rows.values():
        title = next(iter(own.values())).title
        table.add_row(title, *(f"{own[name].mean:.3g}" if name in own else "" for name in _SHOWN))
    if reports:
        terminal.print(table)
    write_json(json_path, {"problem": problem, "reports": len(reports), "rows": analysis.as_data(rows)})
