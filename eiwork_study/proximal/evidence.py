"""What the survey says for or against the claim of a proximal map, as evidence of a ledger."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from eiwork_study.compared import measured
from eiwork_study.ledger import Evidence
from eiwork_study.proximal.table import STATISTICS, values

Report = dict[str, Any]


def level(reports: Sequence[Report], subject: str, statistic: str) -> Evidence | None:
    """A statistic of a subject, wanted above 0; None where it was not measured."""
    found = _by_seed(reports, subject, statistic)
    if not found:
        return None
    return measured(f"{subject}: {STATISTICS[statistic].title}", np.asarray(list(found.values())), unit="")


def lead(reports: Sequence[Report], subject: str, control: str, statistic: str) -> Evidence | None:
    """A statistic of a control minus the subject's, wanted above 0, for the seeds that both have; None without one.

    The images are the same; seeds of a control are of its own training, paired by their numbers.
    """
    own, other = (_by_seed(reports, name, statistic) for name in (subject, control))
    common = [seed for seed in own if seed in other and len(own[seed]) == len(other[seed])]
    if not common:
        return None
    mine, theirs = (np.asarray([found[seed] for seed in common]) for found in (own, other))
    return measured(f"{control} - {subject}: {STATISTICS[statistic].title}", theirs - mine, unit="")


def _by_seed(reports: Sequence[Report], subject: str, statistic: str) -> dict[int, list[float]]:
    own = sorted((r for r in reports if r["subject"] == subject), key=lambda r: r["seed"])
    return {report["seed"]: found for report in own if (found := values(report, statistic)) is not None}
