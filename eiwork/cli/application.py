"""The application: every command under its name, in the order in which a newcomer meets them."""

import typer

from eiwork import __version__
from eiwork.cli import data, doctor, lab, training
from eiwork.cli.advice import AdviceGroup

app = typer.Typer(
    name="eiwork",
    cls=AdviceGroup,
    help="Deep equilibrium models trained by equivariant imaging: the workbook, its trainings and its checks.\n\n"
    "A first visit: `eiwork doctor` looks at the installation, `eiwork lab` opens the first lesson, "
    "`eiwork recipes` lists what `eiwork train` can train.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (doctor.doctor, lab.lab, training.recipes, training.train, training.evaluate):
    app.command()(_command)
app.add_typer(data.app, name="data")


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(f"eiwork {__version__}")
        raise typer.Exit
    return asked


_VERSION = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version.")


@app.callback()
def options(version: bool = _VERSION) -> None:
    """Options of `eiwork` itself; the texts of its help are given to the application above."""


def main() -> None:
    """Run the command line: exit status 0 for success, 2 for unusable input, 1 for any other failure."""
    app(prog_name="eiwork")
