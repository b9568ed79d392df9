"""Intervals and tests over images and seeds.

Values are matrices (seed, image): the same test images for every seed. Slices of one volume resemble each other, so
intervals over images are for images like these, and no claim about other patients.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from eiwork.errors import InputError

Values = Float[np.ndarray, "#seed image"]
N_RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95 % bootstrap interval."""

    mean: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Difference:
    """One method minus another on the same images: interval, and the p-value of the Wilcoxon signed-rank test."""

    interval: Interval
    p_value: float
    n_images: int
    n_seeds: int


def mean_interval(values: Values, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Interval:
    """Mean over seeds and images with the percentile interval of the hierarchical bootstrap.

    Seeds and images are resampled with replacement, each on its own, as they are crossed: every seed meets every image
    (Owen, Annals of Applied Statistics 1, 2007). A single seed, or a single image, is not resampled: its variation
    is then unknown and not in the interval. Raises InputError for values that are empty or not finite.
    """
    _check(values)
    return _interval(float(values.mean()), _resampled_means([values], n_resamples, seed)[0])


def paired_difference(one: Values, other: Values, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Difference:
    """one - other on the same seeds and images: the bootstrap of the differences, and Wilcoxon's signed-rank test.

    The test is of the differences' means over seeds, image by image. Matrices of one seed serve every seed of the
    other. Raises InputError for shapes that do not match.
    """
    from scipy.stats import wilcoxon

    one, other = _matched(one, other)
    difference = one - other
    per_image = difference.mean(axis=0)
    p_value = 1.0 if not per_image.any() else float(wilcoxon(per_image).pvalue)
    interval = mean_interval(difference, n_resamples=n_resamples, seed=seed)
    return Difference(interval, p_value, difference.shape[1], difference.shape[0])


def gap_closure(
    method: Values, inverse: Values, oracle: Values, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Interval:
    """(method - inverse) / (oracle - inverse) of mean PSNRs, its interval from joint resamples of seeds and images.

    0 for the linear inverse, 1 for the supervised oracle. Raises InputError for an oracle that is not above the inverse
    and for shapes that do not match.
    """
    gain, _ = _matched(method, inverse)
    gain = gain - inverse
    gap, gain = _matched(_matched(oracle, inverse)[0] - inverse, gain)
    if not gap.mean() > 0:
        raise InputError(
            "The oracle is not above the linear inverse: there is no gap to close. Check the supervised run."
        )
    above, whole = _resampled_means([gain, gap], n_resamples, seed)
    return _interval(float(gain.mean() / gap.mean()), above / whole)


def mean_over(values: list[float], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Interval:
    """The mean of a list, one value per seed, with its bootstrap interval."""
    return mean_interval(np.asarray(values, dtype=np.float64)[:, None], n_resamples=n_resamples, seed=seed)


def share_text(share: float) -> str:
    """A share in percent, which says 100 % (or 0 %) of nothing less than all (or more than none)."""
    if 0 < share < 1 and f"{share:.0%}" in ("0%", "100%"):
        return f"{min(max(share, 0.001), 0.999):.1%}"
    return f"{share:.0%}"


def _resampled_means(matrices: list[Values], n_resamples: int, seed: int) -> list[Float[np.ndarray, " resample"]]:
    """Means of matrices of one shape, all over the same resampled seeds and images."""
    seeds, images = _resamples(*matrices[0].shape, n_resamples, seed)
    return [((seeds @ values) * images).sum(axis=1) for values in matrices]


@lru_cache(maxsize=8)
def _resamples(
    n_seeds: int, n_images: int, n_resamples: int, seed: int
) -> tuple[Float[np.ndarray, "resample seed"], Float[np.ndarray, "resample image"]]:
    """The weights of seeds and images in each resample; kept, as drawing them takes longer than using them."""
    generator = np.random.default_rng(seed)
    seeds = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples) / n_seeds
    images = generator.multinomial(n_images, np.full(n_images, 1 / n_images), size=n_resamples) / n_images
    return seeds, images


def _interval(mean: float, resampled: Float[np.ndarray, " resample"]) -> Interval:
    tail = (1 - LEVEL) / 2
    lower, upper = np.quantile(resampled, [tail, 1 - tail])
    return Interval(mean, float(lower), float(upper))


def _matched(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with as many seeds as the larger one; a single seed is repeated."""
    _check(one)
    _check(other)
    n_seeds = max(len(one), len(other))
    if one.shape[1] != other.shape[1] or any(len(v) not in (1, n_seeds) for v in (one, other)):
        raise InputError(
            f"Values of shapes {one.shape} and {other.shape} (seed, image) cannot be paired: the images must be the "
            "same, and the seeds too unless one of the two has a single seed."
        )
    shape = (n_seeds, one.shape[1])
    return np.broadcast_to(one, shape), np.broadcast_to(other, shape)


def _check(values: Values) -> None:
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise InputError(f"Values of shape {values.shape}: statistics need finite values (seed, image), at least one.")
