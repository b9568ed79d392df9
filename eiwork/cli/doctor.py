"""`eiwork doctor`: is everything here that the workbook needs, and does it work?"""

import typer
from rich.table import Table

from eiwork.cli.checks import Check, Status, every_check
from eiwork.cli.reporting import JsonPath, check_json_path, console, write_json

_STYLES = {Status.OK: "green", Status.NOTE: "yellow", Status.PROBLEM: "bold red"}


def doctor(json_path: JsonPath = None) -> None:
    """Check the installation: versions, device, threads, embedded data, browser, output folder.

    Exit status 1 when something is wrong; a note is something optional that is missing.
    """
    check_json_path(json_path)
    checks = every_check()
    console().print(_table(checks))
    problems = [check for check in checks if check.status is Status.PROBLEM]
    write_json(
        json_path,
        {
            "ok": not problems,
            "checks": [
                {
                    "name": check.name,
                    "status": check.status.value,
                    "found": check.found,
                    "advice": check.advice,
                }
                for check in checks
            ],
        },
    )
    if problems:
        console().print(f"{len(problems)} problem(s): {', '.join(check.name for check in problems)}.", style="bold red")
        raise typer.Exit(1)
    console().print("Everything that the workbook needs is here.", style="green")


def _table(checks: list[Check]) -> Table:
    table = Table("", "what", "found", title="eiwork doctor")
    for check in checks:
        found = f"{check.found}\n{check.advice}" if check.advice else check.found
        table.add_row(check.status.value, check.name, found, style=_STYLES[check.status])
    return table
