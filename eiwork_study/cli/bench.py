"""`eiwork bench`: the engine side by side with deepinv's DEQ and torchdeq."""

from pathlib import Path
from typing import Annotated

import typer

from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json
from eiwork.errors import InputError
from eiwork.files import ensure_output_folder, write_atomically


def bench(
    axes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[AXIS]...", help="accuracy, nfe, step, memory, profile; all by default."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer images and a smaller step: a look, not a verdict.")
    ] = False,
    json_path: JsonPath = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="PATH", dir_okay=False, help="Also draw the bars (PNG)."),
    ] = None,
) -> None:
    """Compare with deepinv's DEQ and torchdeq in one run: same weights, physics, data and iteration.

    Every library runs with its own best settings, which are searched for first. Each requirement is printed as met
    or NOT met; the exit status is 0 in either case. The full run takes hours, a quick one minutes to tens of minutes.
    """
    from eiwork.figures import figure_png
    from eiwork_study import benchmarks as benchmarking

    chosen = benchmarking.check_axes(axes or [])
    check_json_path(json_path)
    if figure is not None:
        ensure_output_folder(figure.parent, InputError)
    terminal = console()
    if not benchmarking.has_torchdeq():
        terminal.print(
            'torchdeq is not installed: the comparison is with deepinv alone. pip install "eiwork[bench]" adds it.',
            style="yellow",
            markup=False,
        )
    libraries = benchmarking.libraries()

    def show(outcome: benchmarking.Outcome) -> None:
        terminal.print(benchmarking.outcome_table(outcome))
        for bar in outcome.bars:
            terminal.print(benchmarking.bar_line(bar))

    settings = benchmarking.quick_settings() if quick else benchmarking.BenchSettings()
    outcomes = benchmarking.run(libraries, chosen, settings, show)
    if quick:
        terminal.print("A quick run: the requirements are meant for the full problems.", style="yellow")
    if figure is not None:
        picture = benchmarking.bars_figure(benchmarking.bars(outcomes))
        png = figure_png(picture, dots_per_inch=150)
        write_atomically(figure, lambda path: path.write_bytes(png), InputError)
        terminal.print(f"Figure written to {figure}", soft_wrap=True, highlight=False)
    write_json(json_path, benchmarking.as_json(libraries, outcomes, quick))
