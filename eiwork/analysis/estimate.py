"""Estimated numbers with their standard errors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from eiwork.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """One number per image with the standard error of its estimation (0 where nothing was drawn at random)."""

    value: Float[Tensor, " batch"]
    standard_error: Float[Tensor, " batch"]

    @staticmethod
    def exact(value: Tensor) -> "Estimate":
        """Numbers without sampling error."""
        return Estimate(value, torch.zeros_like(value))

    def json(self) -> dict[str, Any]:
        """The mean over images with the standard error of that mean, and both numbers of every image.

        The error of the mean has the spread between images in it, which already contains their sampling errors; for one
        image it is that image's own.
        """
        mean, error = mean_and_error(self.value)
        if len(self.value) == 1:
            error = float(self.standard_error[0])
        return {
            "mean": mean,
            "standard_error": error,
            "per_image": self.value.tolist(),
            "per_image_standard_error": self.standard_error.tolist(),
        }


def mean_and_error(values: Float[Tensor, " n"]) -> tuple[float, float]:
    """The mean and its standard error; the error of a single number is NaN."""
    values = values.double()
    error = float(values.std() / math.sqrt(len(values))) if len(values) > 1 else math.nan
    return float(values.mean()), error


def jackknife(statistic: Callable[[Tensor], Tensor], draws: Float[Tensor, "k batch columns"]) -> Estimate:
    """A smooth function of the means of random draws, with its standard error per sample.

    statistic: means (..., batch, columns) -> (..., batch). The error is that of the delete-one jackknife (Efron, 1982).
    Raises InputError for fewer than two draws.
    """
    k = len(draws)
    if k < 2:
        raise InputError(
            f"A standard error needs at least two random draws, got {k}: take more probes, for example 32."
        )
    total = draws.sum(dim=0)
    value = statistic(total / k)
    without_one = statistic((total - draws) / (k - 1))
    spread = (without_one - without_one.mean(dim=0)).square().sum(dim=0)
    return Estimate(value, (spread * (k - 1) / k).sqrt())


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def interval_over_seeds(values: Sequence[Float[Tensor, " n"] | Sequence[float]], level: float = 0.95) -> Interval:
    """The mean over seeds and images, with a confidence interval for new seeds.

    values: for each seed, the numbers of its images. Images of one trained model share its quirks, so the seeds' means
    count as the independent observations: a Student interval with (seeds - 1) degrees of freedom, wide for few seeds.
    Raises InputError for fewer than two seeds or a level outside (0, 1).
    """
    if len(values) < 2:
        raise InputError("An interval over seeds needs at least two of them: train the model with more seeds.")
    if not 0 < level < 1:
        raise InputError(f"level={level}: a probability in (0, 1), such as 0.95.")
    means = torch.stack([torch.as_tensor(v, dtype=torch.float64).mean() for v in values])
    mean, error = mean_and_error(means)
    reach = float(stats.t.ppf((1 + level) / 2, len(means) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)
