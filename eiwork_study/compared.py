"""Two methods of a study compared, seed by seed and image by image, as evidence for a claim."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import t

from eiwork.errors import InputError
from eiwork_study.collection import Collection
from eiwork_study.ledger import Evidence
from eiwork_study.methods import is_classical, oracle, zero
from eiwork_study.result import RunResult
from eiwork_study.statistics import LEVEL, Interval, gap_closure, mean_interval

Values = Float[np.ndarray, "seed image"]
QUANTITIES: dict[str, Callable[[RunResult], Sequence[float]]] = {
    "PSNR (dB)": lambda run: run.psnr,
    "SSIM": lambda run: run.ssim,
}


def student_interval(seed_means: Sequence[float]) -> Interval | None:
    """Mean of one value per seed with Student's 95 % interval for further seeds; None for fewer than two."""
    values = np.asarray(seed_means, dtype=np.float64)
    if len(values) < 2:
        return None
    mean = float(values.mean())
    reach = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - reach, mean + reach)


def measured(name: str, values: Values, unit: str = "dB") -> Evidence:
    """Evidence of a number, such as a difference on the same images, that every seed has for every image."""
    return Evidence(
        name=name,
        interval=mean_interval(values),
        over_seeds=student_interval(values.mean(axis=1).tolist()),
        n_seeds=values.shape[0],
        n_images=values.shape[1],
        unit=unit,
    )


def common_values(
    collection: Collection, problem: str, methods: Sequence[str], quantity: str = "PSNR (dB)"
) -> list[Values] | None:
    """A matrix (seed, image) for each method, rows of the seeds that all have; None where there are none.

    A method without training that ran once, for want of noise, serves every seed.
    Raises InputError for an unknown quantity.
    """
    if quantity not in QUANTITIES:
        raise InputError(f"There is no quantity {quantity!r}; choose from {', '.join(QUANTITIES)}.")
    runs = [collection.of(problem, method) for method in methods]
    if not all(runs):
        return None
    fixed = [is_classical(m) and len(own) == 1 for m, own in zip(methods, runs, strict=True)]
    seeds = [{run.seed for run in own} for own, once in zip(runs, fixed, strict=True) if not once]
    common = sorted(set.intersection(*seeds)) if seeds else [runs[0][0].seed]
    if not common:
        return None
    found = []
    for own, once in zip(runs, fixed, strict=True):
        rows = own * len(common) if once else [run for run in own if run.seed in common]
        found.append(np.asarray([QUANTITIES[quantity](run) for run in rows], dtype=np.float64))
    return found


def difference(
    collection: Collection, problem: str, method: str, other: str, quantity: str = "PSNR (dB)"
) -> Evidence | None:
    """One method minus another on the same images and seeds; None without a common seed."""
    values = common_values(collection, problem, (method, other), quantity)
    if values is None:
        return None
    unit = "dB" if quantity == "PSNR (dB)" else ""
    return measured(f"{problem}: {method} - {other}", values[0] - values[1], unit)


def closure(collection: Collection, problem: str, method: str) -> Evidence | None:
    """Gap closure of a method in PSNR; None without a common seed of it, of `zero` and of `oracle`.

    Raises InputError where the oracle is not above the linear reconstruction.
    """
    values = common_values(collection, problem, (method, zero(problem), oracle(method)))
    if values is None:
        return None
    own, linear, best = values
    per_seed = (own - linear).mean(axis=1) / (best - linear).mean(axis=1)
    return Evidence(
        name=f"{problem}: {method}",
        interval=gap_closure(own, linear, best),
        over_seeds=student_interval(per_seed.tolist()),
        n_seeds=len(own),
        n_images=own.shape[1],
        unit="",
    )


def all_differences(
    collection: Collection, method: str, others: Sequence[str], quantity: str = "PSNR (dB)"
) -> tuple[Evidence, ...]:
    """The method minus each other one, on every problem that has both for a common seed."""
    pairs = [(problem, other) for problem in collection.problems() for other in others]
    found = [difference(collection, problem, method, other, quantity) for problem, other in pairs]
    return tuple(evidence for evidence in found if evidence is not None)
