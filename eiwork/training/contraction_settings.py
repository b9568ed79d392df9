"""Validated settings of what keeps an iteration a contraction while it learns."""

from typing import Annotated

from pydantic import Field

from eiwork.training.base_settings import Count, NonNegative, Positive, Settings


class ForeignScansSettings(Settings):
    """Scans unlike those of the training, on which the iteration shall have a fixed point too; no image is needed.

    scans: in every step. leaves: share of them that are of random dead leaves; the rest are of the model's own images,
    turned and shifted. sampling: besides the recipe's own operator, others with so many times its measurements, and
    other masks. max_noise: each step's noise is drawn between the recipe's own and this. evaluations: only scans that a
    solve does not bring to model.tol in so many are penalised, so what converges is not held back.
    """

    scans: Count = 4
    leaves: Annotated[float, Field(ge=0, le=1)] = 0.6
    sampling: tuple[Positive, ...] = (0.6, 0.75, 1.5)
    max_noise: NonNegative = 0.05
    evaluations: Count = 30
    weight: Positive = 1.0
    target: Positive = 0.9


class ContractionSettings(Settings):
    """weight * relu(||J^T v|| - target)^2 at the fixed point, v from a Krylov space of dimension `krylov_size`.

    samples: how many of a batch, drawn anew in every step, are looked at, an unbiased estimate of the mean over the
    batch at a part of its cost; None for all. foreign: the same on scans unlike the training's; None for none.
    rescue: in a step none of whose solves reaches its tolerance, leave out the loss, whose gradient is of no fixed
    point, and let the penalty alone lead back (ours).
    """

    weight: Positive = 1.0
    target: Positive = 0.95
    krylov_size: Count = 8
    samples: Count | None = None
    foreign: ForeignScansSettings | None = None
    rescue: bool = False
