"""Methods and controls beside each other: every statistic with its interval over seeds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eiwork.errors import InputError
from eiwork_study.compared import student_interval
from eiwork_study.proximal.measure import load_report
from eiwork_study.statistics import Interval

Report = dict[str, Any]


@dataclass(frozen=True)
class Statistic:
    """A number of every image. ideal: its value for the proximal map of an invariant prior, in words."""

    title: str
    ideal: str
    of: Callable[[Report], Any]


@dataclass(frozen=True)
class ProximalRow:
    """One statistic of one subject: mean over seeds and images, and Student's interval over seeds.

    over_seeds is None for one seed. extremes: the smallest and largest value of any image of any seed.
    """

    subject: str
    title: str
    kind: str
    statistic: str
    n_seeds: int
    n_images: int
    mean: float
    over_seeds: Interval | None
    extremes: tuple[float, float]


def _of(*keys: str) -> Callable[[Report], Any]:
    def find(report: Report) -> Any:
        for key in keys:
            report = report[key]
        return report

    return find


def _jacobian(place: str, space: str, name: str) -> Callable[[Report], Any]:
    return _of("jacobian", place, space, name)


STATISTICS: dict[str, Statistic] = {
    "asymmetry": Statistic("asymmetry of J at iterates", "0", _jacobian("iterate", "whole", "asymmetry")),
    "learnt": Statistic(
        "asymmetry of the learnt part at iterates", "0", _jacobian("iterate", "whole", "learnt_asymmetry")
    ),
    "learnt-fixed-point": Statistic(
        "asymmetry of the learnt part at fixed points",
        "0",
        _jacobian("fixed point", "whole", "learnt_asymmetry"),
    ),
    "learnt-clean": Statistic(
        "asymmetry of the learnt part at clean images", "0", _jacobian("clean", "whole", "learnt_asymmetry")
    ),
    "learnt-noise": Statistic(
        "asymmetry of the learnt part on noise", "0", _jacobian("noise", "whole", "learnt_asymmetry")
    ),
    "learnt-range": Statistic(
        "asymmetry of the learnt part in the range of A^T",
        "0",
        _jacobian("iterate", "range", "learnt_asymmetry"),
    ),
    "learnt-null": Statistic(
        "asymmetry of the learnt part in the null space",
        "0",
        _jacobian("iterate", "null space", "learnt_asymmetry"),
    ),
    "smallest-eigenvalue": Statistic(
        "smallest eigenvalue of (J + J^T) / 2", ">= 0", _jacobian("iterate", "whole", "smallest_eigenvalue")
    ),
    "largest-eigenvalue": Statistic(
        "largest eigenvalue of (J + J^T) / 2",
        "<= 1 for a convex prior",
        _jacobian("iterate", "whole", "largest_eigenvalue"),
    ),
    "lipschitz": Statistic(
        "Lipschitz constant of D at iterates",
        "<= 1 for a convex prior",
        _jacobian("iterate", "whole", "lipschitz"),
    ),
    "cocoercivity": Statistic(
        "cocoercivity, worst pairs found", ">= 1 for a convex prior", _of("pairs", "worst", "cocoercivity")
    ),
    "monotonicity": Statistic("monotonicity, worst pairs found", ">= 0", _of("pairs", "worst", "monotonicity")),
    "circulation": Statistic("circulation of the learnt part, circles", "0", _of("circulation", "circles", "learnt")),
    "path-images": Statistic(
        "path dependence of phi, through images",
        "0",
        _of("potential", "through images", "path_dependence_of_phi"),
    ),
    "path-noise": Statistic(
        "path dependence of phi, through noise",
        "0",
        _of("potential", "through noise", "path_dependence_of_phi"),
    ),
    "beaten": Statistic("share of perturbations that beat D(z)", "0", _of("minimiser", "perturbations", "beaten")),
    "turns": Statistic(
        "equivariance error of the learnt part, quarter turns",
        "0",
        _of("invariance", "quarter turns", "learnt_error"),
    ),
    "rotations": Statistic(
        "equivariance error of the learnt part, rotations",
        "0",
        _of("invariance", "rotations", "learnt_error"),
    ),
    "reflections": Statistic(
        "equivariance error of the learnt part, reflections",
        "0 if the group has them",
        _of("invariance", "reflections", "learnt_error"),
    ),
    "shifts": Statistic(
        "equivariance error of the learnt part, shifts",
        "0 if the group has them",
        _of("invariance", "shifts", "learnt_error"),
    ),
    "prior-turns": Statistic("change of phi by quarter turns", "0", _of("invariance", "quarter turns", "prior_change")),
    "prior-reflections": Statistic(
        "change of phi by reflections",
        "0 if the group has them",
        _of("invariance", "reflections", "prior_change"),
    ),
}


def load_reports(folder: Path) -> list[Report]:
    """Every report in a folder, by subject and seed; none where there is no folder."""
    reports = [load_report(path) for path in sorted(folder.glob("*.json"))]
    return sorted(reports, key=lambda report: (report["subject"], report["seed"]))


def values(report: Report, statistic: str) -> list[float] | None:
    """A statistic's value for every image of a report; None where it was not measured.

    Raises InputError for an unknown statistic.
    """
    if statistic not in STATISTICS:
        raise InputError(f"There is no statistic {statistic!r}; choose from {', '.join(STATISTICS)}.")
    try:
        found = STATISTICS[statistic].of(report)["per_image"]
    except KeyError:
        return None
    return None if any(value is None for value in found) else list(found)


def proximal_row(reports: Sequence[Report], statistic: str) -> ProximalRow | None:
    """One statistic of the reports of one subject, one per seed; None where none of them has it.

    Raises InputError for reports of several subjects, or two of one seed.
    """
    if len({report["subject"] for report in reports}) != 1 or len({r["seed"] for r in reports}) != len(reports):
        raise InputError("A row has the reports of one subject, one for each seed.")
    found = [v for report in reports if (v := values(report, statistic))]
    if not found:
        return None
    means = [float(np.mean(v)) for v in found]
    every = np.concatenate([np.asarray(v) for v in found])
    first = reports[0]
    return ProximalRow(
        first["subject"],
        first["title"],
        first["kind"],
        statistic,
        len(found),
        len(found[0]),
        float(np.mean(means)),
        student_interval(means),
        (float(every.min()), float(every.max())),
    )


def proximal_rows(
    reports: Sequence[Report], statistics: Iterable[str] = STATISTICS
) -> dict[str, dict[str, ProximalRow]]:
    """Rows by subject and statistic, subjects in the order of their first report."""
    subjects = list(dict.fromkeys(report["subject"] for report in reports))
    table: dict[str, dict[str, ProximalRow]] = {}
    for subject in subjects:
        own = [report for report in reports if report["subject"] == subject]
        rows = {name: proximal_row(own, name) for name in statistics}
        table[subject] = {name: row for name, row in rows.items() if row is not None}
    return table
