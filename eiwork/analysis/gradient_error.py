"""Comparing a gradient with a reference: relative error, cosine, ratio of norms."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eiwork.errors import InputError


@dataclass(frozen=True)
class GradientComparison:
    """relative_error = ||g - r|| / ||r||; cosine in [-1, 1]; norm_ratio = ||g|| / ||r||."""

    relative_error: float
    cosine: float
    norm_ratio: float


def compare_gradients(gradient: Sequence[Tensor], reference: Sequence[Tensor]) -> GradientComparison:
    """Compare two gradients, given as one tensor per parameter.

    Raises InputError if shapes differ or the reference is zero.
    """
    if [g.shape for g in gradient] != [r.shape for r in reference]:
        raise InputError("The gradient and its reference belong to different parameters: their shapes differ.")
    g = torch.cat([part.detach().double().flatten() for part in gradient])
    r = torch.cat([part.detach().double().flatten() for part in reference])
    if float(r.norm()) == 0:
        raise InputError("The reference gradient is zero: a relative error has no meaning.")
    cosine = torch.nn.functional.cosine_similarity(g, r, dim=0)
    return GradientComparison(float((g - r).norm() / r.norm()), float(cosine), float(g.norm() / r.norm()))
