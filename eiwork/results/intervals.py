"""Intervals over images and trainings.

Values are matrices (training, image): the same test images for every training. Slices of one volume resemble each
other, so intervals over images are for images like these, and no claim about other patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from eiwork.errors import InputError

Values = Float[np.ndarray, "_training _image"]
Means = Float[np.ndarray, " resample"]
N_RESAMPLES, LEVEL = 10_000, 0.95


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
    check_values(values)
    return _interval(float(values.mean()), resampled_means(values, n_resamples, seed))


def student_interval(means: Sequence[float]) -> Interval | None:
    """Mean of one value per training with Student's 95 % interval for further ones; None for fewer than two."""
    from scipy.stats import t

    values = np.asarray(means, dtype=np.float64)
    if len(values) < 2:
        return None
    mean = float(values.mean())
    reach = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - reach, mean + reach)


def closure_interval(
    method: Values, linear: Values, oracle: Values, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Interval:
    """(method - linear) / (oracle - linear) of mean PSNRs: 0 for the linear inverse, 1 for the oracle.

    All three are resampled over the same images, and each over its own trainings, of which it may have any number.
    Raises InputError for an oracle that is not above the linear inverse and for images that differ in number.
    """
    for values in (method, linear, oracle):
        check_values(values)
    if len({values.shape[1] for values in (method, linear, oracle)}) > 1:
        raise InputError("Gap closure needs the same test images for the method, the linear inverse and the oracle.")
    if not oracle.mean() > linear.mean():
        raise InputError("The oracle is not above the linear inverse: there is no gap to close. Check that run.")
    own, low, high = (resampled_means(v, n_resamples, seed, n) for n, v in enumerate((method, linear, oracle)))
    mean = (method.mean() - linear.mean()) / (oracle.mean() - linear.mean())
    return _interval(float(mean), (own - low) / (high - low))


def resampled_means(values: Values, n_resamples: int, seed: int, stream: int = 0) -> Means:
    """Means over resampled trainings and images; all streams of a seed resample the same images."""
    trainings = _weights(len(values), n_resamples, seed, 1 + stream)
    images = _weights(values.shape[1], n_resamples, seed, 0)
    return np.asarray(((trainings @ values) * images).sum(axis=1))


def check_values(values: Values) -> None:
    """Raise InputError for values that are empty or not finite."""
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise InputError(f"Values of shape {values.shape}: statistics need finite values (training, image), one each.")


@lru_cache(maxsize=8)
def _weights(n: int, n_resamples: int, seed: int, stream: int) -> Float[np.ndarray, "resample n"]:
    """How much each of n things weighs in each resample; kept, as drawing takes longer than using."""
    generator = np.random.default_rng((seed, stream))
    return np.asarray(generator.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n)


def _interval(mean: float, resampled: Means) -> Interval:
    tail = (1 - LEVEL) / 2
    lower, upper = np.quantile(resampled, [tail, 1 - tail])
    return Interval(mean, float(lower), float(upper))
