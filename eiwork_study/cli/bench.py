"""`eiwork-study bench`: side by side with other libraries, and other figures that no training gives."""

from pathlib import Path
from typing import Annotated

import typer

from eiwork.cli.advice import kept
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json
from eiwork.errors import InputError, choices
from eiwork.files import ensure_output_folder
from eiwork.progress import track


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="accuracy, tomography, multicoil, memory, identifiability; or all."),
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Where NAME.json is written.")] = Path(
        "results/benchmarks"
    ),
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="PyTorch threads.")] = 1,
    json_path: JsonPath = None,
) -> None:
    """Measure what the committed benchmarks say, print the rows and whether the requirement is met.

    The exit status is 1 where one is not. accuracy takes minutes (torchdeq is compared where it is installed),
    identifiability hours, the others less than a minute each.
    """
    import torch

    from eiwork.provenance import code_version, machine
    from eiwork.table import Table
    from eiwork_study.benchmarks import BENCHMARKS

    if unknown := [name for name in names or () if name not in BENCHMARKS]:
        raise InputError(f"There is no benchmark {unknown[0]!r}: {choices(unknown[0], BENCHMARKS, '--help')}.")
    check_json_path(json_path)
    ensure_output_folder(output, InputError)
    torch.set_num_threads(threads)
    terminal, all_found = console(), {}
    for name in track(names or BENCHMARKS, "benchmarks"):
        with kept(f"{output} has what was finished; the others: eiwork-study bench NAME..."):
            found = all_found[name] = BENCHMARKS[name]()
        print(Table(found["rows"], found["title"]))  # noqa: T201  # wider than a terminal that wraps
        met = found["requirement"]["passed"]
        terminal.print(f"{'met' if met else 'NOT met'}: {found['requirement']}", soft_wrap=True, highlight=False)
        write_json(output / f"{name}.json", {"benchmark": name, "machine": machine(), "code": code_version(), **found})
    write_json(json_path, all_found)
    if not all(found["requirement"]["passed"] for found in all_found.values()):
        raise typer.Exit(1)
