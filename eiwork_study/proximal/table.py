"""Methods and controls beside each other: every statistic with its interval over seeds, and as evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eiwork.errors import InputError, choices
from eiwork.results import Comparison, measured, student_interval
from eiwork.table import Table
from eiwork_study.proximal.survey import Report


@dataclass(frozen=True)
class Statistic:
    """A number of every image. ideal: what the proximal map of an invariant prior has. keys: its place in a report."""

    title: str
    ideal: str
    keys: tuple[str, ...]


def _at(place: str, space: str, name: str) -> tuple[str, ...]:
    return ("jacobian", place, space, name)


STATISTICS: dict[str, Statistic] = {
    "asymmetry": Statistic("asymmetry of J at iterates", "0", _at("iterate", "whole", "asymmetry")),
    "learnt": Statistic("asymmetry of the learnt part", "0", _at("iterate", "whole", "learnt_asymmetry")),
    "learnt-fixed-point": Statistic("the same at fixed points", "0", _at("fixed point", "whole", "learnt_asymmetry")),
    "learnt-clean": Statistic("the same at clean images", "0", _at("clean", "whole", "learnt_asymmetry")),
    "learnt-noise": Statistic("the same on noise", "0", _at("noise", "whole", "learnt_asymmetry")),
    "learnt-range": Statistic("the same in the range of A^T", "0", _at("iterate", "range", "learnt_asymmetry")),
    "learnt-null": Statistic("the same in the null space", "0", _at("iterate", "null space", "learnt_asymmetry")),
    "smallest-eigenvalue": Statistic(
        "smallest eigenvalue of (J + J^T) / 2", ">= 0", _at("iterate", "whole", "smallest_eigenvalue")
    ),
    "largest-eigenvalue": Statistic(
        "largest eigenvalue of (J + J^T) / 2", "<= 1 if convex", _at("iterate", "whole", "largest_eigenvalue")
    ),
    "lipschitz": Statistic("Lipschitz constant of D", "<= 1 if convex", _at("iterate", "whole", "lipschitz")),
    "circulation": Statistic("circulation of the learnt part", "0", ("circulation", "circles", "learnt")),
    "turns": Statistic("equivariance error, quarter turns", "0", ("invariance", "quarter turns", "learnt_error")),
    "rotations": Statistic("equivariance error, rotations", "0", ("invariance", "rotations", "learnt_error")),
    "reflections": Statistic(
        "equivariance error, reflections", "0 if in the group", ("invariance", "reflections", "learnt_error")
    ),
    "shifts": Statistic("equivariance error, shifts", "0 if in the group", ("invariance", "shifts", "learnt_error")),
}


def values(report: Report, statistic: str) -> list[float] | None:
    """A statistic's value for every image of a report; None where it was not measured.

    Raises InputError for an unknown statistic.
    """
    if statistic not in STATISTICS:
        raise InputError(f"There is no statistic {statistic!r}: {choices(statistic, STATISTICS, 'STATISTICS')}.")
    found: Any = report
    for key in STATISTICS[statistic].keys:
        found = found.get(key)
        if found is None:
            return None
    per_image = found["per_image"]
    return None if any(value is None for value in per_image) else list(per_image)


def survey_table(reports: Sequence[Report], statistics: Sequence[str] = tuple(STATISTICS)) -> Table:
    """A row for each subject and statistic: mean over seeds and images, Student's interval over seeds.

    smallest, largest: of any image of any seed. Raises InputError without a report.
    """
    rows = []
    for subject in dict.fromkeys(report["subject"] for report in reports):
        own = [report for report in reports if report["subject"] == subject]
        for name in statistics:
            found = [v for report in own if (v := values(report, name)) is not None]
            if not found:
                continue
            means = [float(np.mean(v)) for v in found]
            over_seeds = student_interval(means)
            rows.append(
                {
                    "subject": own[0]["title"],
                    "kind": own[0]["kind"],
                    "statistic": STATISTICS[name].title,
                    "ideal": STATISTICS[name].ideal,
                    "seeds": len(found),
                    "mean": float(np.mean(means)),
                    "over seeds": over_seeds and f"[{over_seeds.lower:.3g}, {over_seeds.upper:.3g}]",
                    "smallest": float(min(map(min, found))),
                    "largest": float(max(map(max, found))),
                }
            )
    return Table(rows, "Is the operator the proximal map of an invariant prior?")


def lead(reports: Sequence[Report], subject: str, other: str, statistic: str) -> Comparison | None:
    """A statistic of a control minus the subject's, wanted above 0, of the seeds that both have; None without one.

    The images are the same; seeds of a control are of its own training, paired by their numbers.
    """
    own, theirs = (
        {r["seed"]: v for r in reports if r["subject"] == name and (v := values(r, statistic)) is not None}
        for name in (subject, other)
    )
    common = sorted(seed for seed in own.keys() & theirs.keys() if len(own[seed]) == len(theirs[seed]))
    if not common:
        return None
    difference = np.asarray([theirs[seed] for seed in common]) - np.asarray([own[seed] for seed in common])
    return measured(f"{other} - {subject}: {STATISTICS[statistic].title}", difference, unit="")
