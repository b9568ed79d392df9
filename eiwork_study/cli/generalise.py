"""`eiwork-study generalise`: a trained model on problems that it was not trained for."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json


def generalise(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .safetensors file written by train.")],
    shifts: Annotated[
        list[str] | None,
        typer.Option(
            "--shift",
            metavar="NAME",
            help='Only this change of the problem, e.g. "another mask"; may be repeated. All by default.',
        ),
    ] = None,
    guarded: Annotated[
        bool,
        typer.Option(
            "--guarded",
            help="Give scans that the model does not solve to a milder operator: every one within 59 evaluations.",
        ),
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Measure a checkpoint under other sampling, noise and images, beside the minimum-norm inverse.

    Solves go to a tolerance of 1e-4. With --json results/generalisation/RECIPE-SEED.json (with --guarded:
    results/guarded/...) the figures join those of the study.
    """
    from eiwork.models import GuardedDEQ
    from eiwork.training import load_checkpoint
    from eiwork_study.generalisation import generalisation_report

    check_json_path(json_path)
    guard = GuardedDEQ.prompt if guarded else None
    report = generalisation_report(load_checkpoint(checkpoint), shifts, guard)
    columns = ["change", "PSNR (dB)", "over the inverse (dB)", "most NFE", "converged"]
    table = Table(*columns, *(["milder operator"] if guarded else []), title=report["name"])
    for row in report["rows"]:
        solver = [str(row["max_nfe"]), f"{row['converged_share']:.0%}"] if "max_nfe" in row else ["", ""]
        solver += [f"{row['milder_share']:.0%}"] if guarded else []
        table.add_row(row["shift"], f"{sum(row['psnr']) / row['n_images']:.2f}", f"{row['gain']:+.2f}", *solver)
    console().print(table)
    write_json(json_path, report)
