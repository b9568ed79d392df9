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
    light: Annotated[
        bool, typer.Option("--light", help="Fewer images, probes and loops: a look only.")
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Measure the operator of every trained DEQ of a problem, and controls whose answer is known.

    Asymmetry and spectrum of the Jacobian, constants on pairs, circulation, potential, the minimiser property and
    invariance, each with one report for a subject and seed. Reports that are there are not made again.
    """
    from eiwork.analysis import AnalysisSettings
    from eiwork.errors import DataFormatError
    from eiwork.files import ensure_output_folder
    from eiwork.study import proximal as analysis

    check_json_path(json_path)
    folder = (results or project_folder() / "results" / "proximal") / problem
    kept = models or project_folder() / "results" / "models"
    wanted = analysis.wanted(problem, kept, seeds, subjects)
    settings = AnalysisSettings.light() if light else None
    ensure_output_folder(folder, DataFormatError)
    terminal = console()
    for number, (name, seed) in enumerate(wanted, 1):
        path = folder / f"{name}-{seed}.json"
        if path.exists():
            analysis.load_report(path)
            continue
        terminal.print(f"{number} of {len(wanted)}: {problem}/{name}-{seed}", highlight=False)
        analysis.save_report(path, analysis.survey(problem, name, seed, kept, settings))
    reports = analysis.load_reports(folder)
    table = Table("subject", *(analysis.STATISTICS[name].title for name in _SHOWN), title=problem)
    rows = analysis.proximal_rows(reports)
    for own in rows.values():
        title = next(iter(own.values())).title
        table.add_row(title, *(f"{own[name].mean:.3g}" if name in own else "" for name in _SHOWN))
    terminal.print(table)
    write_json(json_path, {"problem": problem, "reports": len(reports), "rows": analysis.as_data(rows)})
