"""Results of trained models under shifts, as files of a study: read, and turned into evidence."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eiwork.errors import InputError
from eiwork.training import Checkpoint, Recipe
from eiwork_study.compared import measured
from eiwork_study.formats import read_json
from eiwork_study.generalisation import AS_TRAINED, FORMAT
from eiwork_study.ledger import Evidence
from eiwork_study.task import TOLERANCE

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ShiftSummary:
    """A trained DEQ over all its sets of scans, the one it was trained for among them.

    trained, changed: PSNR (dB) as trained, and mean over the other sets. solved: sets whose every scan converged, of
    n_sets. max_nfe: the most evaluations that any scan took. milder: the share of all scans that a milder operator
    reconstructs, with a guard; else 0.
    """

    trained: float
    changed: float
    solved: int
    n_sets: int
    max_nfe: int
    milder: float


@dataclass(frozen=True)
class ShiftedResult:
    """One trained model under shifts: rows as `generalise` returns them."""

    problem: str
    method: str
    seed: int
    rows: tuple[Row, ...]

    def summary(self) -> "ShiftSummary":
        """All changes of the problem in six numbers; raises InputError without the row "as trained" or another."""
        own, changed = self.row(AS_TRAINED), [row for row in self.rows if row["shift"] != AS_TRAINED]
        if own is None or not changed:
            had = ", ".join(row["shift"] for row in self.rows) or "nothing"
            raise InputError(
                f"The report of {self.problem}, {self.method}, seed {self.seed} needs {AS_TRAINED!r} and a change; it "
                f"has {had}. Run `eiwork generalise` without --shift."
            )
        return ShiftSummary(
            trained=float(np.mean(own["psnr"])),
            changed=float(np.mean([np.mean(row["psnr"]) for row in changed])),
            solved=sum(row["converged_share"] == 1 for row in self.rows),
            n_sets=len(self.rows),
            max_nfe=max(row["max_nfe"] for row in self.rows),
            milder=float(
                np.average(
                    [row.get("milder_share", 0.0) for row in self.rows],
                    weights=[len(row["psnr"]) for row in self.rows],
                )
            ),
        )

    def row(self, shift: str) -> Row | None:
        """The row of a shift, None where it was not tried."""
        return next((row for row in self.rows if row["shift"] == shift), None)


def shifted_results(folder: Path) -> list[ShiftedResult]:
    """Every report of `generalisation_report` in a folder and below; none where there is no folder.

    Raises DataFormatError naming a file that is damaged or something else.
    """
    return [_read(path) for path in sorted(folder.rglob("*.json"))]


def convergence_of(checkpoint: Checkpoint, results: Path) -> dict[str, Any]:
    """For the card of a trained DEQ: over how many sets of scans it has a fixed point for all, alone and guarded.

    Keys: tol, n_sets (the one it was trained for among them), and of `alone` and `guarded` each: solved_sets, max_nfe,
    unsolved (the other sets by name), milder_share (of all scans, by a milder operator). results: the folder of a
    study. Raises InputError where a report is missing or of another training.
    """
    alone, guarded = (_report_of(checkpoint, results / folder) for folder in ("generalisation", "guarded"))
    return {"tol": TOLERANCE, "n_sets": alone.summary().n_sets} | {
        name: {
            "solved_sets": (summary := report.summary()).solved,
            "max_nfe": summary.max_nfe,
            "unsolved": [row["shift"] for row in report.rows if row["converged_share"] < 1],
            "milder_share": round(summary.milder, 4),
        }
        for name, report in (("alone", alone), ("guarded", guarded))
    }


def _report_of(checkpoint: Checkpoint, folder: Path) -> ShiftedResult:
    card, recipe = checkpoint.card, checkpoint.recipe
    path = folder / f"{recipe.name.removesuffix('-deq')}-{recipe.seed}.json"
    again = f"Run `eiwork generalise` with --json {path}."
    if not path.exists():
        raise InputError(f"There is no report {path}. {again}")
    values = read_json(path, FORMAT)
    other = [key for key in ("step", "data_hash") if values[key] != card[key]]
    if Recipe.parse(values["recipe"]) != recipe:
        other.append("recipe")
    if other:
        raise InputError(f"{path} is of another training than {recipe.name}: {', '.join(other)} differ. {again}")
    return _parsed(values)


def gains(results: list[ShiftedResult], shift: str) -> Evidence | None:
    """PSNR above the minimum-norm inverse under a shift, of trainings of one method; None where it was not tried."""
    rows = [row for result in results if (row := result.row(shift)) is not None]
    if not rows:
        return None
    gain = np.asarray([row["psnr"] for row in rows]) - np.asarray([row["inverse_psnr"] for row in rows])
    return measured(shift, gain)


def advantage(one: list[ShiftedResult], other: list[ShiftedResult], shift: str) -> Evidence | None:
    """PSNR of one method minus another's under a shift, of the seeds that both have; None where there are none."""
    pairs = [
        (a["psnr"], b["psnr"])
        for first in one
        for second in other
        if first.seed == second.seed and (a := first.row(shift)) and (b := second.row(shift))
    ]
    if not pairs:
        return None
    left, right = (np.asarray([pair[i] for pair in pairs]) for i in (0, 1))
    return measured(shift, left - right)


def _read(path: Path) -> ShiftedResult:
    return _parsed(read_json(path, FORMAT))


def _parsed(values: dict[str, Any]) -> ShiftedResult:
    return ShiftedResult(values["problem"], values["method"], values["seed"], tuple(values["rows"]))
