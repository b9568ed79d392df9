"""The application: every command of the study under its name."""

import typer

from eiwork.cli.advice import AdviceGroup
from eiwork_study.cli import bench, generalise, prepare, proximal, reproduce

app = typer.Typer(
    name="eiwork-study",
    cls=AdviceGroup,
    help="How the committed numbers are made: trainings, generalisation, proximal diagnostics, benchmarks, images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("reproduce")(reproduce.reproduce)
app.command("generalise")(generalise.generalise)
app.command("proximal")(proximal.proximal)
app.command("bench")(bench.bench)
app.command("prepare")(prepare.prepare)


def main() -> None:
    """Run the command line: exit status 0 for success, 2 for unusable input, 1 for any other failure."""
    app(prog_name="eiwork-study")
