"""Intervals, comparisons on the same images and seeds, the rule that turns them into verdicts, and tables of them.

Values are matrices (training, image): the same test images for every training. Slices of one volume resemble each
other, so intervals over images are for images like these, and no claim about other patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from eiwork.errors import InputError
from eiwork.results.runs import Runs, committed, load
from eiwork.table import Table

Verdict = Literal["supported", "open", "not supported"]
Values = Float[np.ndarray, "_training _image"]
Means = Float[np.ndarray, " resample"]
N_RESAMPLES, LEVEL, MIN_TRAININGS = 10_000, 0.95, 3


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95 % interval."""

    mean: float
    lower: float
    upper: float


def mean_interval(values: Values, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Interval:
    """Mean over trainings and images with the percentile interval of the crossed bootstrap.

    Trainings and images are resampled with replacement, each on its own, as every training meets every image (Owen,
    Annals of Applied Statistics 1, 2007). One training, or one image, is not resampled: how it varies is unknown and
    not in the interval. Raises InputError for values that are empty or not finite.
    """
    resampled = _resampled_means(values, n_resamples, seed)
    return _interval(float(values.mean()), resampled)


def student_interval(means: Sequence[float]) -> Interval | None:
    """Mean of one value per training with Student's 95 % interval for further ones; None for fewer than two."""
    from scipy.stats import t

    values = np.asarray(means, dtype=np.float64)
    if len(values) < 2:
        return None
    mean = float(values.mean())
    reach = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - reach, mean + reach)


def closure_interval(method: Values, linear: Values, oracle: Values) -> Interval:
    """(method - linear) / (oracle - linear) of mean PSNRs: 0 for the linear inverse, 1 for the oracle.

    All three are resampled over the same images, and each over its own trainings, of which it may have any number.
    Raises InputError for an oracle that is not above the linear inverse and for images that differ in number.
    """
    own, low, high = (_resampled_means(v, N_RESAMPLES, 0, n) for n, v in enumerate((method, linear, oracle)))
    if len({values.shape[1] for values in (method, linear, oracle)}) > 1:
        raise InputError("Gap closure needs the same test images for the method, the linear inverse and the oracle.")
    if not oracle.mean() > linear.mean():
        raise InputError("The oracle is not above the linear inverse: there is no gap to close. Check that run.")
    mean = (method.mean() - linear.mean()) / (oracle.mean() - linear.mean())
    return _interval(float(mean), (own - low) / (high - low))


def _resampled_means(values: Values, n_resamples: int, seed: int, stream: int = 0) -> Means:
    """Means over resampled trainings and images; all streams of a seed resample the same images."""
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise InputError(f"Values of shape {values.shape}: statistics need finite values (training, image), one each.")
    trainings = _weights(len(values), n_resamples, seed, 1 + stream)
    images = _weights(values.shape[1], n_resamples, seed, 0)
    return np.asarray(((trainings @ values) * images).sum(axis=1))


@lru_cache(maxsize=8)
def _weights(n: int, n_resamples: int, seed: int, stream: int) -> Float[np.ndarray, "resample n"]:
    """How much each of n things weighs in each resample; kept, as drawing takes longer than using."""
    generator = np.random.default_rng((seed, stream))
    return np.asarray(generator.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n)


def _interval(mean: float, resampled: Means) -> Interval:
    lower, upper = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(lower), float(upper))


def verdict_of(interval: Interval, over_trainings: Interval | None, n_trainings: int) -> Verdict:
    """What a number says of "a way of training is above another"; the rule is ours, and the same on both sides.

    open: fewer than three trainings. supported: the bootstrap's interval and Student's over trainings lie above 0; not
    supported: both lie below; else open.
    """
    if n_trainings < MIN_TRAININGS or over_trainings is None:
        return "open"
    if min(interval.lower, over_trainings.lower) > 0:
        return "supported"
    return "not supported" if max(interval.upper, over_trainings.upper) < 0 else "open"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A number that a claim wants above 0, with intervals over images and trainings, and trainings."""

    name: str
    interval: Interval
    over_trainings: Interval | None
    n_trainings: int
    n_images: int
    unit: str = "dB"

    @property
    def verdict(self) -> Verdict:
        """As `verdict_of`."""
        return verdict_of(self.interval, self.over_trainings, self.n_trainings)

    @property
    def text(self) -> str:
        """Mean, the outer ends of both intervals, trainings and verdict."""
        both = [self.interval] + ([self.over_trainings] if self.over_trainings else [])
        low, high = min(i.lower for i in both), max(i.upper for i in both)
        trainings = f"{self.n_trainings} training{'s' if self.n_trainings > 1 else ''}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.interval.mean:+.2f}{unit} [{low:+.2f}, {high:+.2f}], {trainings}: {self.verdict}"

    def __repr__(self) -> str:
        return f"{self.name}: {self.text}"


def measured(name: str, values: Values, unit: str = "dB", interval: Interval | None = None) -> Comparison:
    """The comparison that differences of every training and image amount to; interval: by default their bootstrap."""
    found = mean_interval(values) if interval is None else interval
    over, (trainings, images) = student_interval(values.mean(axis=1).tolist()), values.shape
    return Comparison(name=name, interval=found, over_trainings=over, n_trainings=trainings, n_images=images, unit=unit)


def compare(a: str | Runs, b: str | Runs, problem: str = "", *, folder: Path | None = None) -> Comparison:
    """PSNR of one way of training minus another's, of the seeds that both have, image by image.

    a, b: labels such as "ei" or "ei-cycle@bodies", or what `load` gives. Without training one run serves every seed.
    Raises InputError for what was not run, and for no common seed.
    """
    one, other = pair = [runs if isinstance(runs, Runs) else load(problem, runs, folder=folder) for runs in (a, b)]
    fixed = [not runs.trained and len(runs) == 1 for runs in pair]
    seeds = [runs.seeds for runs, once in zip(pair, fixed, strict=True) if not once] or [one.seeds]
    common = set.intersection(*seeds)
    if not common or one[0].problem != other[0].problem:
        raise InputError(f"{one!r} and {other!r} have no seed in common, or are of two problems: nothing to pair.")
    chosen = [[once or run.seed in common for run in runs] for runs, once in zip(pair, fixed, strict=True)]
    difference = np.asarray(one.values()[chosen[0]] - other.values()[chosen[1]])
    return measured(f"{one[0].problem}: {one[0].label} - {other[0].label}", difference)


def gap_closure(method: str | Runs, problem: str = "", *, runs: Runs | None = None) -> Comparison:
    """How far a method comes from the linear inverse (0) to supervised training from random weights (1), in PSNR.

    The oracle is the same for every method, all of its trainings; with several coils 0 is CG-SENSE, the usual linear
    reconstruction there. runs: where to look; the committed ones by default. InputError where a run is missing.
    """
    study = committed() if runs is None else runs
    own = method if isinstance(method, Runs) else study.get(problem, method)
    place, values = own[0].problem, own.values()
    linear = (study.of(place, "cg-sense") or study.get(place, "inverse")).values()
    oracle = study.get(place, "supervised").values()
    interval = closure_interval(values, linear, oracle)
    closures = (values - linear.mean()) / (oracle.mean() - linear.mean())
    return measured(f"{place}: gap closure of {own[0].label}", closures, "", interval)


def table(problem: str, methods: Sequence[str] = (), *, sort: str = "", runs: Runs | None = None) -> Table:
    """A row for each method (labels such as "ei@bodies"; by default all without a variant) on a problem.

    PSNR in dB; minus EI: the difference to EI from random weights, with its verdict; NFE: evaluations of F to
    1e-4; seconds: of a training, mean. sort: a column, the largest first. runs: where to look; the committed ones by
    default. Raises InputError for a method without a run.
    """
    study = committed() if runs is None else runs
    plain = [label for label in study.labels(problem) if "+" not in label]
    found = [study.get(problem, label) for label in methods or plain or ["ei"]]
    rows = [_row(own, study) for own in found]
    if sort:
        rows.sort(key=lambda row: float("-inf") if row[sort] is None else row[sort], reverse=True)
    return Table(rows, f"{problem}, {len(found[0][0].psnr)} test images")


def ledger(claims: Mapping[str, Sequence[Comparison]], title: str = "Ledger of claims") -> Table:
    """Claims beside their numbers, each with its own verdict: no count of votes."""
    rows = [
        {"claim": claim, "number": number.name, "value": number.text.rpartition(": ")[0], "verdict": number.verdict}
        for claim, numbers in claims.items()
        for number in numbers
    ]
    return Table(rows, title)


def _row(own: Runs, study: Runs) -> dict[str, Any]:
    problem, label = own[0].problem, own[0].label
    reference = study.of(problem, "ei")
    paired = not own.trained or own.seeds & reference.seeds
    over = compare(own, reference) if reference and paired and label != "ei" else None
    gap = gap_closure(own, runs=study) if study.of(problem, "supervised") else None
    psnr, nfe = mean_interval(own.values()), [n for run in own for n in run.nfe or ()]
    converged = [c for run in own for c in run.converged or ()]
    return {
        "method": own.title,
        "label": label,
        "trainings": len(own) if own.trained else 0,
        "PSNR (dB)": psnr.mean,
        "95 %": f"[{psnr.lower:.2f}, {psnr.upper:.2f}]",
        "SSIM": float(own.values("ssim").mean()),
        "gap closure": gap and gap.interval.mean,
        "minus EI": over and over.text,
        "NFE": sum(nfe) / len(nfe) if nfe else None,
        "most NFE": max(nfe, default=None),
        "converged": share_text(sum(converged) / len(converged)) if converged else None,
        "seconds": sum(run.seconds for run in own) / len(own),
    }


def share_text(share: float) -> str:
    """A share in percent, which says 100 % (or 0 %) of nothing less than all (or more than none)."""
    rounded = f"{share:.0%}"
    return f"{min(max(share, 0.001), 0.999):.1%}" if 0 < share < 1 and rounded in ("0%", "100%") else rounded
