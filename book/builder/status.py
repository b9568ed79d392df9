"""The book's status page: when, how long and with what each lesson was executed."""

from collections.abc import Mapping
from typing import Any


def status_page(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page in MyST Markdown from lesson name -> the record of its executed copy."""
    rows = [
        f"| [{name}](notebooks/{name}.ipynb) | {record['mode']} | {record['seconds']:.0f} | "
        f"{record['executed_at'].replace('T', ' ').replace('+00:00', ' UTC')} |"
        for name, record in records.items()
    ]
    stands = {_stand(record): name for name, record in records.items()}
    where = [
        f"| {' | '.join(stand)} | {', '.join(n.partition('_')[0] for n in records if _stand(records[n]) == stand)} |"
        for stand in stands
    ]
    return "\n".join(
        [
            "# Status of the lessons",
            "",
            "Every lesson was executed from its first cell to its last, in a fresh kernel, before this book was",
            "built; a lesson that fails stops the build. Mode *fast* is what a reader runs in JupyterLab by default;",
            "mode *full* takes longer and changes only what a lesson says it changes.",
            "",
            "| lesson | mode | run time (s) | executed |",
            "|---|---|---:|---|",
            *rows,
            "",
            "They ran with:",
            "",
            "| eiwork | Python | torch | deepinv | machine | lessons |",
            "|---|---|---|---|---|---|",
            *where,
            "",
        ]
    )


def _stand(record: Mapping[str, Any]) -> tuple[str, ...]:
    machine, versions = record["machine"], record["versions"]
    return (
        str(versions["eiwork"]),
        str(versions["python"]),
        str(versions["torch"]),
        str(versions["deepinv"]),
        f"{machine['processor']}, {machine['cores']} cores",
    )
