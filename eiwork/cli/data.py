"""`eiwork data`: the embedded images and their provenance."""

import typer
from rich.table import Column, Table

from eiwork.cli.reporting import JsonPath, check_json_path, console, say, write_json

app = typer.Typer(help="Look at or verify the real images that come with the package.", no_args_is_help=True)


@app.command("list")
def list_sets(json_path: JsonPath = None) -> None:
    """List the embedded sets: what they show, how many images, from which package, under which licence."""
    from eiwork.data import manifest

    check_json_path(json_path)
    content = manifest()
    table = Table("set", "split", "what", Column("source", overflow="fold"), "licence", "size", title="Embedded images")
    for name, splits in content["sets"].items():
        for split, entry in splits.items():
            first = (name, split, f"{entry['bytes'] / 1e6:.1f} MB")
            for subject in entry["subjects"].values():
                source = f"{subject['package']} {subject['version']}"
                table.add_row(*first[:2], subject["what"], source, subject["licence"], first[2])
                first = ("", "", "")  # what repeats is left out of the next row
    console().print(table)
    write_json(json_path, content)


@app.command()
def verify(json_path: JsonPath = None) -> None:
    """Compare the SHA-256 of every embedded file with the manifest."""
    from eiwork.data import verify as verify_files

    check_json_path(json_path)
    files = verify_files()
    say(f"{len(files)} files, every SHA-256 as in the manifest.")
    write_json(json_path, {"verified": files})
